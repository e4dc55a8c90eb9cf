# shellcheck shell=sh disable=SC2154
# Holds the lock of a run between its jobs, for as long as the client is there, and for a lease
# after the connection dropped. The kernel frees it when this shell and the jobs are gone.
# Given: run, card (JSON), lease (seconds), mark, began (a line for the journal).
trap '' HUP PIPE
find_state || exit 1
umask 077
[ -e "$lock" ] || (umask 000 && : >>"$lock") || exit 1
exec 9<>"$lock" || exit 1
if take_lock; then
  mkdir -p "$state/runs/$run" || exit 1
  (umask 022 && printf '%s\n' "$card" >"$lock.card.$run" && mv "$lock.card.$run" "$lock.card") || exit 1
  # From now on shared with the jobs of this run. Turning it is not one act of the kernel: whoever
  # came in between has it, and has written another card.
  share_lock && [ "$(card_run)" = "$run" ] || { echo "$mark busy $(cat "$lock.card")"; exit 0; }
  printf '%s\n' "$began" >>"$state/runs/$run/journal.jsonl" || exit 1
elif [ "$(card_run)" = "$run" ] && share_lock; then
  : # the same run, after a dropped connection
else
  echo "$mark busy $(cat "$lock.card" 2>/dev/null)"
  exit 0
fi
rm -f "$state/runs/$run/dismissed"
echo "$$" >"$state/runs/$run/keeper"
echo "$mark held $state"
while read -r word rest; do
  case $word in
    release)
      printf '%s\n' "$rest" >>"$state/runs/$run/journal.jsonl"
      rm -f "$lock.card"
      exit 0 ;;
    leave) exit 0 ;; # a job goes on, and holds the lock itself; its card stays
  esac
done
# The connection is gone without a word.
while [ "$lease" -gt 0 ]; do
  [ "$(cat "$state/runs/$run/keeper")" = "$$" ] || exit 0 # the run is back, with another keeper
  [ ! -e "$state/runs/$run/dismissed" ] || exit 0
  sleep 1
  lease=$((lease - 1))
done
