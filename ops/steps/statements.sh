# shellcheck shell=sh disable=SC2154
# Runs single statements on production, one by one, and stops at the first that fails.
# Given: sql, open_rows, catalog_sql, digest.
same_database
same_ledger "$open_rows"
same_catalog
psql -X -q -A -t -w -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -v SHOW_CONTEXT=never <<END_OF_SQL
$sql
END_OF_SQL
