# shellcheck shell=sh disable=SC2154
# Runs one command of the app's own Prisma.
# Given: directory, open_rows, run().
cd "$directory" || exit 1
same_database
same_ledger "$open_rows"
forget_database
run
