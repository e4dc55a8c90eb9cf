-- What must be known before scratch databases are made: what our role may do, how production's
-- database is made, what an earlier run may have left, and which extensions can be made.
SELECT pg_catalog.json_build_object(
  'version_number', pg_catalog.current_setting('server_version_num')::int,
  'createdb', r.rolcreatedb OR r.rolsuper,
  'powers', pg_catalog.array_remove(ARRAY[
    CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
    CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN r.rolreplication THEN 'REPLICATION' END,
    CASE WHEN pg_catalog.pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER') THEN 'pg_execute_server_program' END,
    CASE WHEN pg_catalog.pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER') THEN 'pg_write_server_files' END,
    CASE WHEN pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'MEMBER') THEN 'pg_signal_backend' END], NULL),
  'encoding', pg_catalog.pg_encoding_to_char(d.encoding),
  'collate', d.datcollate,
  'ctype', d.datctype,
  'provider', coalesce(pg_catalog.to_jsonb(d) ->> 'datlocprovider', 'c'),
  'locale', coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale', pg_catalog.to_jsonb(d) ->> 'daticulocale'),
  'available', (SELECT coalesce(pg_catalog.json_agg(e.name), '[]') FROM pg_catalog.pg_available_extensions e),
  'leftovers', (SELECT coalesce(pg_catalog.json_agg(l.datname), '[]')
    FROM pg_catalog.pg_database l
    WHERE l.datname LIKE 'ops\_scratch\_%'
      AND pg_catalog.shobj_description(l.oid, 'pg_database') ~ '^prisma-ops scratch [0-9]+$'
      AND pg_catalog.pg_has_role(l.datdba, 'USAGE')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks k
        WHERE k.locktype = 'advisory' AND k.classid = 7303283 AND k.granted
          AND k.objid = pg_catalog.substring(pg_catalog.shobj_description(l.oid, 'pg_database'), '[0-9]+$')::bigint::oid)))
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()
