# shellcheck shell=sh disable=SC2154
# Starts psql for a dialogue on stdin. Its errors come on stdout, in order with its answers.
# Given: mark, and the database as PG* variables.
command -v psql >/dev/null || { echo "psql is not on the PATH of a non-interactive login" >&2; exit 127; }
[ "${PGSSLROOTCERT:-}" != system ] || system_authorities
printf '%s ready\n' "$mark"
exec psql -X -q -A -t -w 2>&1
