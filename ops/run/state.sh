# shellcheck shell=sh disable=SC2154,SC2034,SC2329
# Where runs and the lock are: beside what they guard, so that all users of the checkout share it.
# Given: repo, setting, environment. Sets: state, lock.
find_state() {
  if [ -n "$setting" ]; then
    state=$setting
  elif [ -d "$repo/.git" ]; then
    state=$(cd "$repo/.git" && pwd -P)/prisma-ops
  elif git_dir=$(cd "$repo" && common=$(git rev-parse --git-common-dir) && cd "$common" && pwd -P); then
    state=$git_dir/prisma-ops
  else
    echo "$repo: there is no git directory, so no place for the lock" >&2
    return 1
  fi
  if [ ! -d "$state" ]; then
    # As open as the git directory: others who may change the checkout must see the lock.
    case $(ls -ld "$(dirname "$state")") in
      ?????w*) (umask 002 && mkdir -p "$state/runs") ;;
      *) (umask 022 && mkdir -p "$state/runs") ;;
    esac || { echo "$state: cannot be made; name another directory: \`state\` in the inventory" >&2; return 1; }
  fi
  state=$(cd "$state" && pwd -P) || return 1
  lock=$state/$environment.lock
}
