# shellcheck shell=sh disable=SC2154
# Prints a job's log from a byte on, as it grows, until the job has ended.
# Given: job, offset, mark. On stdout, before the log: `MARK log`, because what comes before that is
# not ours (a login shell's greeting). On stderr, the end: `MARK exit N`, `MARK died`, `MARK at work
# PID` (the supervisor was killed, its script was not) or `MARK unknown`.
tries=0
while [ ! -e "$job/pid" ] && [ ! -e "$job/rc" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 50 ] || [ ! -d "$job" ]; then
    ls -d "$job" >/dev/null # says why, where it cannot
    echo "$mark unknown" >&2
    exit 0
  fi
  sleep 0.1
done
echo "$mark log"
alive() { # pid or script: the file that names a process
  read -r pid started 2>/dev/null <"$job/$1" && [ "$(started "$pid" 2>/dev/null)" = "$started" ]
}
end=
while :; do
  # Looked at before the log is read: what was written before the end is then all read.
  if [ -e "$job/rc" ]; then end="exit $(cat "$job/rc")"
  elif ! alive pid; then
    if [ -e "$job/rc" ]; then end="exit $(cat "$job/rc")"
    elif alive script; then end="at work $pid"
    else end=died; fi
  fi
  size=$(wc -c <"$job/log")
  size=$((size))
  if [ "$size" -gt "$offset" ]; then
    tail -c "+$((offset + 1))" "$job/log" | head -c "$((size - offset))" || exit 74
    offset=$size
  fi
  [ -z "$end" ] || break
  sleep 0.1
done
echo "$mark $end" >&2
