# shellcheck shell=sh disable=SC2329
# When a process started, as text that no later process with its id has; empty once it has ended,
# also where nobody has collected it (state Z).
started() { # pid
  if [ -d /proc/self ]; then sed 's/.*) //; /^[ZX]/d' "/proc/$1/stat" | cut -d' ' -f20
  else ps -o lstart= -p "$1"; fi
}
