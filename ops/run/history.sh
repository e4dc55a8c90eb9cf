# shellcheck shell=sh disable=SC2154
# Lists the runs of an environment that the host knows, and who holds the lock.
# Given: mark, dismiss (a run whose keeper, left alone, shall go).
find_state || exit 1
printf '%s state %s\n' "$mark" "$state"
if [ -n "$dismiss" ] && [ -d "$state/runs/$dismiss" ]; then
  touch "$state/runs/$dismiss/dismissed" || exit 1
fi
take_patiently() { # a keeper looks once a second whether it was dismissed
  tries=0
  until take_lock; do
    tries=$((tries + 1))
    [ -n "$dismiss" ] && [ "$tries" -lt 30 ] || return 1
    sleep 0.1
  done
}
if [ -e "$lock" ]; then
  exec 9<>"$lock" || exit 1
  if take_patiently; then
    # Held by us for this moment: nobody else has it, so a card that is there is a dead run's.
    printf '%s free %s\n' "$mark" "$(cat "$lock.card" 2>/dev/null)"
    [ -z "$dismiss" ] || rm -f "$lock.card"
  else
    printf '%s held %s\n' "$mark" "$(cat "$lock.card" 2>/dev/null)"
  fi
  exec 9>&-
fi
for dir in "$state"/runs/*/; do
  [ -r "$dir/journal.jsonl" ] || continue
  printf '%s run %s\n' "$mark" "$(basename "$dir")"
  # Each with a line end, also where a full disk has cut the last line.
  printf '%s\n' "$(head -n 1 "$dir/journal.jsonl")" "$(tail -n 1 "$dir/journal.jsonl")"
  for job in "$dir"/[0-9]*-*/; do
    [ -d "$job" ] || continue
    printf '%s job %s %s\n' "$mark" "$(basename "$job")" "$(cat "$job/rc" 2>/dev/null)"
  done
done
exit 0
