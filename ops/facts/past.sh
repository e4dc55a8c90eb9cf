# shellcheck shell=sh disable=SC2154
# Every version of every migration.sql in git, each once, as `git cat-file --batch` prints them.
# Given: repo.
export GIT_OPTIONAL_LOCKS=0
list=$(git -C "$repo" rev-list --objects --all --reflog -- ':(glob)**/migration.sql') || exit
printf '%s\n' "$list" | awk '/\/migration\.sql$/ { print $1 }' | sort -u | git -C "$repo" cat-file --batch
