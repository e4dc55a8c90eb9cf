# shellcheck shell=sh disable=SC2154
# Copies production's schema, and the rows of some tables, into a scratch database.
# Given: scratch (its name), tables (patterns of tables whose rows are left out, one a line; `*` for
# all), and production as PG* variables.
[ "${PGSSLROOTCERT:-}" != system ] || system_authorities
set -- -w --lock-wait-timeout=5s --no-publications --no-subscriptions
if [ "$tables" = '*' ]; then
  set -- "$@" -s
else
  while IFS= read -r table; do
    [ -z "$table" ] || set -- "$@" "--exclude-table-data=$table"
  done <<END_OF_TABLES
$tables
END_OF_TABLES
fi
exec 3>&1
{
  pg_dump "$@" || echo "@dump failed" >&3
} | PGDATABASE=$scratch PGOPTIONS="${PGOPTIONS:-} -c synchronous_commit=off -c client_min_messages=error" \
  psql -X -q -w -v VERBOSITY=terse >/dev/null || echo "@psql failed" >&3
