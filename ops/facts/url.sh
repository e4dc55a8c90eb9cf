# shellcheck shell=sh disable=SC2154
# Probes in frames, and the one that finds a database's URL.
# Given: mark.
frame() { # name, command...: runs a probe; its stdin is empty
  frame_name=$1
  shift
  printf '\n%s begin %s\n' "$mark" "$frame_name"
  printf '\n%s begin %s\n' "$mark" "$frame_name" >&2
  "$@" </dev/null
  frame_code=$?
  printf '\n%s end %s\n' "$mark" "$frame_code"
  printf '\n%s end %s\n' "$mark" "$frame_code" >&2
}
url() { # kind, place, name
  case $1 in
    env_file)
      [ -r "$2" ] || { echo "$2: cannot be read" >&2; return 1; }
      grep -E "^[[:space:]]*(export[[:space:]]+)?$3[[:space:]]*=" "$2" || { echo "$3 is not set in $2" >&2; return 1; } ;;
    env)
      # Start-up files of a login shell may print too: what counts comes after the mark.
      "${SHELL:-/bin/sh}" -lc "printf '%s value ' '$mark'; printenv '$3'" || { echo "$3 is not set in the login shell" >&2; return 1; } ;;
    command) sh -c "$2" ;;
  esac
}
