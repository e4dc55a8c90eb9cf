# shellcheck shell=sh disable=SC2154
# flock(2) on descriptor 9. Where flock(1) is missing (macOS), perl does it: the lock belongs to
# the open file, which this shell keeps.
_flock() {
  if command -v flock >/dev/null; then flock -n "-$1" 9
  else perl -e 'open(my $f, ">&=", 9) or exit 2; exit(flock($f, $ARGV[0] | 4) ? 0 : 1)' "$2"; fi
}
share_lock() { _flock s 1; }
take_lock() { _flock x 2; }
# Written whole by a rename: one line of JSON, the run first.
card_run() { sed -n 's/^{"run":"\([^"]*\)".*/\1/p' "$lock.card" 2>/dev/null; }
