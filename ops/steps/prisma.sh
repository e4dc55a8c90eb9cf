# shellcheck shell=sh disable=SC2154
# Runs one command of the app's own Prisma, on the commit of the plan.
# Given: directory, repo, commit, migrations, open_rows, digest, catalog_sql, run().
cd "$directory" || exit 1
[ "$(git -C "$repo" rev-parse HEAD)" = "$commit" ] || not_as_planned "HEAD has moved to $(git -C "$repo" rev-parse HEAD), planned: $commit"
changed=$(git -C "$repo" status --porcelain --untracked-files=no -- "$migrations") || exit 1
[ -z "$changed" ] || not_as_planned "migrations have changed: $changed"
same_database
same_ledger "$open_rows"
same_catalog
forget_database
run
