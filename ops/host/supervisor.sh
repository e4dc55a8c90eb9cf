# shellcheck shell=sh disable=SC2154
# Runs one job on the host, detached: holds the run's lock, keeps the log, writes the exit code.
# Given: job, lock, run, end.
umask 077
trap '' HUP
exec 2>"$job/supervisor.log"
finish() {
  printf '%s%s,"at":"%s"}\n' "$end" "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$(dirname "$job")/journal.jsonl"
  echo "$1" >"$job/rc.tmp" && mv "$job/rc.tmp" "$job/rc"
}
: >"$job/log"
echo "$$ $(started $$)" >"$job/pid.tmp" && mv "$job/pid.tmp" "$job/pid"
if [ -n "$lock" ]; then
  exec 9<>"$lock"
  # Shared with the keeper and the other jobs of this run; another run holds it alone.
  if ! share_lock || [ "$(card_run)" != "$run" ]; then
    echo "the lock of this run is gone: nothing was started" >>"$job/log"
    finish 75
    exit 75
  fi
fi
export OPS_JOB="$job"
# The descriptor of the lock is closed for the job: what it leaves running must not keep it.
sh -s >>"$job/log" 2>&1 9>&- <<'END_OF_JOB' &
@script@
END_OF_JOB
script=$!
echo "$script $(started "$script" 2>/dev/null)" >"$job/script"
wait "$script"
finish $?
