-- What is true in the database: one JSON object a line. Reads only, waits for nothing long.
SELECT current_setting('standard_conforming_strings') AS strings \gset
SET standard_conforming_strings = on;
BEGIN READ ONLY;
SET LOCAL statement_timeout = '20s';
SET LOCAL lock_timeout = '2s';
SET LOCAL search_path = pg_catalog;
SET LOCAL client_encoding = 'UTF8';

SELECT to_regclass(format('%I._prisma_migrations', :'schema')) IS NOT NULL AS has_ledger,
       has_function_privilege('pg_control_system()', 'execute') AS has_control \gset

SELECT json_build_object('identity', json_build_object(
  'database', current_database(),
  'oid', (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
  'user', current_user,
  'version', current_setting('server_version'),
  'version_number', current_setting('server_version_num')::int,
  'product', version(),
  'plain_strings', :'strings' = 'on',
  'address', coalesce(host(inet_server_addr()), 'socket'),
  'port', coalesce(inet_server_port(), current_setting('port')::int),
  'standby', pg_is_in_recovery(),
  'schema_exists', to_regnamespace(quote_ident(:'schema')) IS NOT NULL,
  'tables', (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE n.nspname = :'schema' AND relkind IN ('r', 'p') AND relname <> '_prisma_migrations'),
  'size', pg_database_size(current_database())));

\if :has_control
SELECT json_build_object('system_identifier', system_identifier::text) FROM pg_control_system();
\endif

-- Functions of this database's own whose effects a rollback may not undo: they open connections of
-- their own, or are written in a language that may do anything. Foreign tables lead elsewhere too.
SELECT json_build_object('outside', coalesce(json_agg(DISTINCT found.name), '[]')) FROM (
SELECT format('%I.%I', n.nspname, p.proname) AS name
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  AND (NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'sql')
       OR p.prosrc ~* '\m(dblink|pg_background|lo_(import|export)|pg_(read|write)_|pg_file_|run_command_on_|http_(get|post|put|patch|delete|head)|net\.http|aws_(s3|lambda)|cron\.)')
UNION ALL
-- What is written to a foreign table goes elsewhere.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f') AS found;

-- A failed or stuck attempt shows here: who holds Prisma's advisory lock, and who does anything.
SELECT json_build_object('sessions', coalesce(json_agg(json_build_object(
  'pid', a.pid,
  'user', a.usename,
  'application', a.application_name,
  'client', coalesce(host(a.client_addr), 'socket'),
  'state', a.state,
  'query', left(a.query, 4000),
  -- What another role does, its times too, may be hidden from ours.
  'seconds', coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.query_start, a.backend_start)), 0)::float8,
  'holds_lock', coalesce(l.granted, false),
  'waits_for_lock', l.pid IS NOT NULL AND NOT l.granted,
  'blocked_by', pg_blocking_pids(a.pid)) ORDER BY a.pid), '[]'))
FROM pg_stat_activity a
LEFT JOIN (SELECT pid, bool_or(granted) AS granted FROM pg_locks
           WHERE locktype = 'advisory' AND classid = 0 AND objid = 72707369 AND objsubid = 1
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           GROUP BY pid) l USING (pid)
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND (l.pid IS NOT NULL OR a.state IS DISTINCT FROM 'idle');

\if :has_ledger
SELECT json_build_object('ledger', coalesce(json_agg(json_build_object(
  'id', id,
  'checksum', checksum,
  'migration_name', migration_name,
  'started_at', to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'finished_at', to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'rolled_back_at', to_char(rolled_back_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'logs', left(logs, 20000),
  'applied_steps_count', applied_steps_count) ORDER BY started_at, id), '[]'))
FROM :"schema"._prisma_migrations;
\else
SELECT json_build_object('ledger', NULL);
\endif
COMMIT;
