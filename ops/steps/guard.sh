# shellcheck shell=sh disable=SC2154,SC2329
# Every step first looks whether things are still as planned, and does nothing if they are not.
not_as_planned() { echo "not as planned, nothing was done: $1"; exit 90; }
ask() {
  [ "${PGSSLROOTCERT:-}" != system ] || system_authorities
  psql -X -A -t -q -w -v ON_ERROR_STOP=1 -v "schema=$schema"
}
same_database() {
  found=$(ask <<'END_OF_SQL'
SET lock_timeout = '5s'; SET statement_timeout = '20s';
SELECT has_function_privilege('pg_control_system()', 'execute') AS has_control \gset
\if :has_control
SELECT system_identifier::text AS control FROM pg_control_system() \gset
\else
\set control ''
\endif
SELECT format('%s %s %s', current_database(), oid, :'control') FROM pg_database WHERE datname = current_database();
END_OF_SQL
  ) || not_as_planned "the database cannot be asked"
  [ "$found" = "$database" ] || not_as_planned "this is another database: $found, planned: $database"
}
# The ledger's open rows are those of the plan, and nobody holds Prisma's advisory lock.
same_ledger() { # ids of the open rows, sorted
  found=$(ask <<'END_OF_SQL'
SET lock_timeout = '5s'; SET statement_timeout = '20s';
SELECT to_regclass(format('%I._prisma_migrations', :'schema')) IS NOT NULL AS has_ledger \gset
\if :has_ledger
SELECT coalesce(string_agg(id, ' ' ORDER BY id COLLATE "C"), '') FROM :"schema"._prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL;
\else
SELECT '';
\endif
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = 72707369 AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
END_OF_SQL
  ) || not_as_planned "the ledger cannot be read"
  [ "$found" = "$1
0" ] || not_as_planned "the ledger has changed, or another session migrates: open rows and lock holders: $(echo "$found" | tr '\n' ' ')"
}
# The catalog is still the one that was judged, and from which the repair was proved.
same_catalog() {
  [ -n "$digest" ] || return 0
  found=$(ask <<END_OF_CATALOG
SET client_encoding = 'UTF8'; SET lock_timeout = '5s'; SET statement_timeout = '60s';
$catalog_sql
END_OF_CATALOG
  ) || not_as_planned "the catalog cannot be read"
  [ "$found" = "$digest" ] || not_as_planned "the schema has changed since it was judged: look again"
}
# Prisma gets its URL and nothing of ours.
forget_database() { unset PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGAPPNAME PGSSLMODE PGSSLROOTCERT PGOPTIONS PGCONNECT_TIMEOUT PGCHANNELBINDING; }
