# shellcheck shell=sh disable=SC2154
# Prints a job's log from a byte on, as it grows, until the job has ended.
# Given: job, offset, mark. On stderr, the end: `MARK exit N`, `MARK died` or `MARK unknown`.
tries=0
while [ ! -e "$job/pid" ] && [ ! -e "$job/rc" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 50 ] || [ ! -d "$job" ]; then echo "$mark unknown" >&2; exit 0; fi
  sleep 0.1
done
read -r pid started <"$job/pid"
alive() {
  if [ -d /proc/self ]; then
    [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$started" ]
  else
    [ "$(ps -o lstart= -p "$pid")" = "$started" ]
  fi
}
end=
while :; do
  # Looked at before the log is read: what was written before the end is then all read.
  if [ -e "$job/rc" ]; then end="exit $(cat "$job/rc")"
  elif ! alive; then
    if [ -e "$job/rc" ]; then end="exit $(cat "$job/rc")"; else end=died; fi
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
