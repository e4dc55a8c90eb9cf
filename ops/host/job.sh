# shellcheck shell=sh disable=SC2154
# Starts a job: a script that goes on when the connection does not.
# Given: job (its directory), lock, run, before (line for the journal), end (text before the exit
# code in the line for the journal after it), supervisor (the text that follows).
umask 077
trap '' HUP
mkdir -p "$(dirname "$job")" || exit 70
# Whoever makes the directory starts the job: asking twice is harmless.
if problem=$(mkdir "$job" 2>&1); then
  printf '%s\n' "$before" >>"$(dirname "$job")/journal.jsonl" || { rmdir "$job"; exit 71; }
  detach() { if command -v setsid >/dev/null; then exec setsid "$@"; else exec "$@"; fi; }
  detach sh -s >/dev/null 2>&1 <<'END_OF_SUPERVISOR' &
@supervisor@
END_OF_SUPERVISOR
elif [ ! -d "$job" ]; then
  printf '%s\n' "$problem" >&2
  exit 70
fi
