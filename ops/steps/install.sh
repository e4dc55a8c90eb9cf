# shellcheck shell=sh disable=SC2154
# Installs exactly the lock file's packages.
# Given: directory, install().
cd "$directory" || exit 1
forget_database
# Yarn 2 and later call it otherwise, and know their own lock file.
if [ -f yarn.lock ] && grep -q '^__metadata:' yarn.lock && [ ! -f package-lock.json ]; then
  yarn install --immutable || exit 1
else
  install || exit 1
fi
echo "installed in $directory"
