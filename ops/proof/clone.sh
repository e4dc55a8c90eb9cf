# shellcheck shell=sh disable=SC2154
# Copies production's schema, and the rows of some tables, into a scratch database.
# Given: scratch (its name), tables (patterns of tables whose rows are left out, one a line; `*` for
# all), production as PG* variables, and where the scratch database is on another server
# (elsewhere), that one as to_* variables.
into_scratch() {
  if [ -n "$elsewhere" ]; then
    unset PGSSLROOTCERT PGOPTIONS PGCHANNELBINDING
    PGHOST=$to_PGHOST PGPORT=$to_PGPORT PGUSER=$to_PGUSER PGPASSWORD=$to_PGPASSWORD PGSSLMODE=${to_PGSSLMODE:-prefer}
    export PGHOST PGPORT PGUSER PGPASSWORD PGSSLMODE
    [ -z "$to_PGSSLROOTCERT" ] || { PGSSLROOTCERT=$to_PGSSLROOTCERT; export PGSSLROOTCERT; }
    [ -z "$to_PGOPTIONS" ] || { PGOPTIONS=$to_PGOPTIONS; export PGOPTIONS; }
    [ "${PGSSLROOTCERT:-}" != system ] || system_authorities
  fi
  PGDATABASE=$scratch
  PGOPTIONS="${PGOPTIONS:-} -c synchronous_commit=off -c client_min_messages=error"
  export PGDATABASE PGOPTIONS
  # A pooler may lead to another database than the one that was asked for.
  [ "$(psql -X -A -t -w -c 'SELECT pg_catalog.current_database()' </dev/null)" = "$scratch" ] || return 1
  psql -X -q -w -v VERBOSITY=terse
}
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
} | into_scratch >/dev/null || echo "@psql failed" >&3
