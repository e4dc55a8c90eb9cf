# shellcheck shell=sh disable=SC2154
# Holds the lock of a run between its jobs, for as long as the client is there, and for a lease
# after it was last heard of. The kernel frees it when this shell and the jobs are gone.
# Given: run, card (JSON), again (had it before), lease and silence (seconds), mark, began (a line
# for the journal). Reads lines: empty ones say that the client is there.
trap '' HUP PIPE
find_state || exit 1
umask 077
mine=$state/runs/$run
busy() {
  # The card of whoever has the lock comes a moment after the lock.
  tries=0
  while [ "$tries" -lt 20 ] && { [ ! -s "$lock.card" ] || [ "$(card_run)" = "$run" ]; }; do
    tries=$((tries + 1))
    sleep 0.1
  done
  echo "$mark busy $(cat "$lock.card" 2>/dev/null)"
  exit 0
}
take_patiently() { # listing the runs has it for a moment, too
  take_lock || { sleep 0.2 && take_lock; } || { sleep 0.4 && take_lock; }
}
[ -e "$lock" ] || (umask 000 && : >>"$lock") || exit 1
exec 9<>"$lock" || exit 1
if [ -n "$again" ]; then
  # After a dropped connection. The card is still ours, or others have been here meanwhile.
  if ! share_lock || [ "$(card_run)" != "$run" ]; then
    echo "$mark gone $(cat "$lock.card" 2>/dev/null)"
    exit 0
  fi
elif take_patiently; then
  rm -f "$lock.card" || exit 1 # of a run that died
  mkdir -p "$mine" || exit 1
  (umask 022 && printf '%s\n' "$card" >"$lock.card.$run" && mv "$lock.card.$run" "$lock.card") || exit 1
  # From now on shared with the jobs of this run. Turning it is not one act of the kernel: whoever
  # came in between has it, and has written another card.
  share_lock && [ "$(card_run)" = "$run" ] || busy
  printf '%s\n' "$began" >>"$mine/journal.jsonl" || exit 1
else
  busy
fi
rm -f "$mine/dismissed"
echo "$$" >"$mine/keeper" || exit 1
echo 0 >"$mine/seen" || exit 1
watch() {
  quiet=0
  before=
  while sleep 1 && kill -0 "$$"; do
    now=$(cat "$mine/seen")
    quiet=$((quiet + 1))
    [ "$now" = "$before" ] || quiet=0
    before=$now
    # The run is back with another keeper; a person has dismissed one that is not heard of any
    # more (`gone`: its connection has ended); or it was silent for too long.
    if [ "$(cat "$mine/keeper")" != "$$" ] || [ "$quiet" -ge "$lease" ] ||
      { [ -e "$mine/dismissed" ] && { [ "$now" = gone ] || [ "$quiet" -ge "$silence" ]; }; }; then
      kill "$$"
    fi
  done
}
# Closed by exec: for `watch 9>&-` the shell would keep a copy to open it again.
(exec </dev/null >/dev/null 2>&1 9>&- && watch) &
echo "$mark held $state"
count=0
while read -r word rest; do
  count=$((count + 1))
  echo "$count" >"$mine/seen"
  case $word in
    release)
      printf '%s\n' "$rest" >>"$mine/journal.jsonl"
      rm -f "$lock.card" "$mine/keeper" "$mine/seen"
      exit 0 ;;
    leave) exit 0 ;; # a job goes on, and holds the lock itself; its card stays
  esac
done
# The connection has ended without a word.
echo gone >"$mine/seen"
wait
