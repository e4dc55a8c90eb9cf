# shellcheck shell=sh disable=SC2154
# Moves the checkout forward to the commit of the plan, and never in any other way.
# Given: repo, branch, head, target, put_back (lock files, a line each).
forget_database
# Hooks of the checkout are not run: they could do anything, and nobody announced it.
g() { git -C "$repo" -c core.hooksPath=/dev/null -c core.quotePath=false -c advice.detachedHead=false "$@"; }
[ "$(g rev-parse HEAD)" = "$head" ] || not_as_planned "HEAD has moved to $(g rev-parse --short HEAD)"
if [ -n "$put_back" ]; then
  printf '%s\n' "$put_back" | while IFS= read -r file; do
    mkdir -p "$OPS_JOB/changed/$(dirname "$file")" &&
      cp "$repo/$file" "$OPS_JOB/changed/$file" && g checkout --quiet -- "$file" &&
      echo "$file: put back as committed; the changed one is kept in $OPS_JOB/changed" || exit 1
  done || exit 1
fi
changed=$(g status --porcelain --untracked-files=no) || exit 1
[ -z "$changed" ] || not_as_planned "tracked files have changed: $changed"
echo "before: $(g log -1 --format='%h %s')"
if [ "$(g symbolic-ref --quiet --short HEAD)" != "$branch" ]; then
  if g rev-parse --verify --quiet "refs/heads/$branch" >/dev/null; then g checkout --quiet "$branch" --
  else g checkout --quiet -b "$branch" --track "origin/$branch"; fi || exit 1
fi
g merge --quiet --ff-only "$target" || exit 1
[ "$(g rev-parse HEAD)" = "$target" ] || { echo "HEAD is not at $target"; exit 1; }
echo "checked out: $(g log -1 --format='%h %s')"
