# shellcheck shell=sh disable=SC2154,SC2329
# Prints everything that is known of a host, in frames, without changing anything but git's copy of
# the remote branch (when `fetch` is set).
# Given: mark, repo, app and schema (both from the top of the repository, `.` for the top itself),
# branch, fetch, backups, database_sql, and for each of the two URLs its kind, place and name. The
# database's variables come on stdin, once the URL is known. frame() and url() are those of url.sh.

# `git status` refreshes the index as it reads: another user's index is not ours to write.
export GIT_OPTIONAL_LOCKS=0

g() { git -C "$repo" -c core.quotePath=false "$@"; }

# --- the host ---
machine() { uname -s; id -un; printf '%s\n' "$HOME"; date +%s; }
place() {
  [ -d "$repo/$app" ] || { echo "there is no directory $repo/$app" >&2; return 1; }
  cd "$repo/$app" && pwd -P
}
versions() { # program
  command -v "$1" >/dev/null || { echo "$1 is not on the PATH of a non-interactive login" >&2; return 127; }
  "$1" --version
}
space() { # directory: free and total KiB where it lies, or would lie
  dir=$1
  while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
  df -Pk "$dir" | tail -n 1
}

support() { # programs that jobs, lock and backup need, and whether others see our processes
  for program in flock perl setsid sha256sum shasum tail head df; do
    command -v "$program" >/dev/null && printf 'has %s\n' "$program"
  done
  grep -q '^proc .*hidepid=\(2\|invisible\|noaccess\|1\|ptraceable\|4\)' /proc/mounts 2>/dev/null && echo 'has hidepid'
  return 0
}
newest_backup() { # names hold their time, so the last one is the newest
  newest=
  for card in "$backups"/pre-migration-*.sql.json; do [ -f "$card" ] && newest=$card; done
  [ -z "$newest" ] || cat "$newest"
}

# --- git ---
inside() {
  command -v git >/dev/null || { echo "git is not on the PATH of a non-interactive login" >&2; return 127; }
  g rev-parse --is-inside-work-tree
}
fetch_branch() {
  export GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -oBatchMode=yes -oConnectTimeout=10}"
  if command -v timeout >/dev/null; then
    timeout 60 git -C "$repo" fetch --quiet --no-tags origin "+refs/heads/$branch:refs/remotes/origin/$branch"
  else
    g fetch --quiet --no-tags origin "+refs/heads/$branch:refs/remotes/origin/$branch"
  fi
}
commits() { g log -n 100 --format='%h%x09%an%x09%s' "HEAD..$1"; }
# Every entry of each directory that holds a `NAME/migration.sql`, that is, of the migrations.
tree() { # commit
  list=$(g ls-tree -r --full-tree "$1") || return
  printf '%s\n' "$list" | awk -F '\t' '
    { path = $2; sub(/^"/, "", path); line[NR] = $0; full[NR] = path
      if (path ~ /\/[^\/]+\/migration\.sql"?$/) { dir = path; sub(/\/[^\/]+\/migration\.sql"?$/, "", dir); dirs[dir] = 1 } }
    END { for (i = 1; i <= NR; i++) for (dir in dirs) if (index(full[i], dir "/") == 1) { print line[i]; break } }'
}
scripts() { # commit: the git objects of all its migration.sql
  list=$(g ls-tree -r --full-tree "$1") || return
  printf '%s\n' "$list" | awk '/\/migration\.sql"?$/ { print $3 }'
}
# Their contents, each once, as `git cat-file --batch` prints them.
contents() {
  list=$(for commit in "$@"; do g ls-tree -r --full-tree "$commit" || exit; done) || return
  printf '%s\n' "$list" | awk '/\/(migration\.sql|migration_lock\.toml)"?$/ { print $3 }' | sort -u | g cat-file --batch
}
# Directories that Prisma would take for migrations although git does not have them.
directories() {
  list=$(for commit in "$@"; do g ls-tree -r --full-tree --name-only "$commit" || exit; done) || return
  printf '%s\n' "$list" | sed -n 's#^\(.*\)/[^/]*/migration\.sql$#\1#p' | sort -u |
    while IFS= read -r dir; do
      (cd "$repo" && [ -d "$dir" ] && find "$dir" -mindepth 1 -maxdepth 1 -type d)
    done
  return 0
}
# Lock files of the app and of the repository, with the version of Prisma that each names: nothing
# where it names none, `?` where that cannot be told (it names several, or is not text).
lock_files() { # commit
  names='package-lock.json npm-shrinkwrap.json pnpm-lock.yaml yarn.lock bun.lock bun.lockb'
  for dir in "$app" .; do
    case $dir in .) prefix= ;; *) prefix=$dir/ ;; esac
    for name in $names; do set -- "$@" "$prefix$name"; done
    # Asked for by name, a file that is not there is no error.
    entries=$(g ls-tree --full-tree "$@") || return
    set -- "$1"
    for name in $names; do
      blob=$(printf '%s\n' "$entries" | awk -F '\t' -v file="$prefix$name" '$2 == file { split($1, word, " "); print word[3] }')
      [ -n "$blob" ] || continue
      found=$(g cat-file blob "$blob" | named_prisma "$name" "$dir" | sort -u)
      case $found in *"
"*) found='?' ;; esac
      printf '%s\t%s\t%s\n' "$prefix$name" "$blob" "$found"
    done
    [ "$app" = . ] && break
  done
  return 0
}
named_prisma() { # lock file's name, its directory; its text on stdin
  case $1 in
    package-lock.json | npm-shrinkwrap.json)
      # The app's own copy comes before the one that a workspace shares.
      own=
      [ "$2" = "$app" ] || own=$app/
      awk -v own="\"${own}node_modules/prisma\":" -v shared='"node_modules/prisma":' '
        { sub(/^[ \t]+/, ""); sub(/\r$/, "") }
        $0 == "\"prisma\": {" { at = "old" }
        $0 == own " {" { at = "own" }
        $0 == shared " {" && own != shared { at = "shared" }
        at != "" && $1 == "\"version\":" { gsub(/[",]/, "", $2); if (!(at in version)) version[at] = $2; at = "" }
        END { if ("own" in version) print version["own"]; else if ("shared" in version) print version["shared"]; else if ("old" in version) print version["old"] }' ;;
    pnpm-lock.yaml) sed -n "s#^  ['/]*prisma[@/]\([0-9][0-9A-Za-z.-]*\).*#\1#p" ;;
    yarn.lock) awk '/^"?prisma@/ { f = 1 } f && /^  version/ { gsub(/["\047]/, ""); print $2; f = 0 }' ;;
    bun.lock) sed -n 's/.*"\([^"]*\/\)*prisma": \["prisma@\([0-9][0-9A-Za-z.-]*\)".*/\2/p' ;;
    bun.lockb) echo '?' ;;
  esac
}
show() { # commit, path: a file, or the .prisma files of a directory
  case $(g cat-file -t "$1:$2") in
    blob) printf '# file: %s\n' "$2"; g cat-file blob "$1:$2" ;;
    tree) g ls-tree -r --full-tree --name-only "$1" "$2/" | grep '\.prisma$' |
      while IFS= read -r file; do printf '# file: %s\n' "$file"; g cat-file blob "$1:$file"; echo; done ;;
    *) return 1 ;;
  esac
}
configs() { # commit: Prisma looks for its configuration in the current directory only
  case $app in
    .) list=$(g ls-tree --full-tree --name-only "$1" && g ls-tree --full-tree --name-only "$1" .config/) || return ;;
    *) list=$(g ls-tree --full-tree --name-only "$1" "$app/" "$app/.config/") || return ;;
  esac
  printf '%s\n' "$list" | grep -E '(^|/)(prisma7?\.config|\.config/prisma)\.[cm]?[jt]s$' |
    while IFS= read -r file; do printf '# file: %s\n' "$file"; g cat-file blob "$1:$file"; echo; done
  return 0
}
configs_on_disk() {
  for file in "$repo/$app"/prisma.config.?s "$repo/$app"/prisma.config.??s \
    "$repo/$app"/prisma7.config.?s "$repo/$app"/prisma7.config.??s \
    "$repo/$app"/.config/prisma.?s "$repo/$app"/.config/prisma.??s; do
    [ -f "$file" ] && { printf '# file: %s\n' "$file"; cat "$file"; echo; }
  done
  return 0
}
at() { # label, commit
  frame "commit $1" g rev-parse --verify --quiet "$2^{commit}"
  frame "tree $1" tree "$2"
  frame "locks $1" lock_files "$2"
  frame "schema $1" show "$2" "$schema"
  frame "configs $1" configs "$2"
  case $app in .) file=package.json ;; *) file=$app/package.json ;; esac
  frame "package $1" g cat-file blob "$2:$file"
}

# --- Prisma as installed: in the app, or further up where a workspace keeps it ---
installed() {
  dir=$(cd "$repo/$app" && pwd -P) || return 1
  while :; do
    file=$dir/node_modules/prisma/package.json
    if [ -f "$file" ]; then
      printf '%s\n' "$dir"
      sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$file" | head -n 1
      stat -L -c %Y "$dir/node_modules/prisma" 2>/dev/null || stat -L -f %m "$dir/node_modules/prisma"
      return 0
    fi
    [ "$dir" != / ] || break
    dir=$(dirname "$dir")
  done
  echo "there is no node_modules/prisma in $repo/$app or above" >&2
  return 1
}

# --- the database ---
database() {
  command -v psql >/dev/null || { echo "psql is not on the PATH of a non-interactive login" >&2; return 127; }
  [ "$PGSSLROOTCERT" != system ] || system_authorities
  psql -X -A -t -q -w -v ON_ERROR_STOP=1 -v "schema=$OPS_SCHEMA" <<END_OF_SQL
$database_sql
END_OF_SQL
}

frame url url "$url_kind" "$url_place" "$url_name"
[ -z "$direct_kind" ] || frame direct_url url "$direct_kind" "$direct_place" "$direct_name"
frame machine machine
frame place place
frame inside inside
[ -z "$fetch" ] || frame fetch fetch_branch
remote=refs/remotes/origin/$branch
frame branch g symbolic-ref --quiet --short HEAD
frame changed g status --porcelain=v1 -z --untracked-files=no
frame "local branch" g rev-parse --verify --quiet "refs/heads/$branch"
frame counts g rev-list --left-right --count "HEAD...$remote"
frame "branch counts" g rev-list --left-right --count "refs/heads/$branch...$remote"
frame commits commits "$remote"
frame reflog g reflog show --date=unix --format='%H %gd' -n 1000 HEAD
at head HEAD
at main "$remote"
# Where HEAD stood lately: a failed migration ran there, whatever is checked out by now.
recent=$(g reflog show -n 100 --format=%H HEAD | awk '!seen[$0]++' | head -n 10)
frame recent printf '%s' "$recent"
for commit in $recent; do
  frame "locks $commit" lock_files "$commit"
  frame "configs $commit" configs "$commit"
  frame "scripts $commit" scripts "$commit"
done
# shellcheck disable=SC2086 # commit ids, several words
frame contents contents HEAD "$remote" $recent
frame directories directories HEAD "$remote"
frame "configs disk" configs_on_disk
frame installed installed
frame node versions node
frame pg_dump versions pg_dump
frame psql versions psql
frame "space backups" space "$backups"
frame "space repo" space "$repo"
frame support support
frame "newest backup" newest_backup

# The caller has read the URL by now and answers with NAME=VALUE lines, then an empty one.
while IFS= read -r line; do
  if [ -z "$line" ]; then
    frame database database
    exit 0
  fi
  # shellcheck disable=SC2163 # the line is NAME=VALUE, and the value is taken as it is
  export "$line"
done
exit 0
