-- Which tables' rows a rehearsal needs: those named, and all that their foreign keys lead to.
-- Given: tables, a JSON array of quoted names.
WITH RECURSIVE named AS (
  SELECT pg_catalog.to_regclass(name)::oid AS oid
    FROM pg_catalog.json_array_elements_text(:'tables'::json) AS name
), parts AS (  -- the rows of a partitioned table lie in its partitions
  SELECT oid FROM named WHERE oid IS NOT NULL
  UNION
  SELECT f.next FROM parts JOIN (
    SELECT conrelid AS oid, confrelid AS next FROM pg_catalog.pg_constraint WHERE contype = 'f'
    UNION ALL SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits) AS f USING (oid)
), wanted AS (
  SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
         pg_catalog.pg_table_size(c.oid) AS bytes, greatest(c.reltuples, 0)::bigint AS rows
    FROM parts JOIN pg_catalog.pg_class c USING (oid)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'm')
)
SELECT pg_catalog.json_build_object(
  'tables', (SELECT coalesce(pg_catalog.json_agg(name ORDER BY name), '[]') FROM wanted),
  'bytes', (SELECT coalesce(sum(bytes), 0)::bigint FROM wanted),
  'others', (SELECT coalesce(pg_catalog.json_agg(
      pg_catalog.format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""'))), '[]')
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND c.oid NOT IN (SELECT oid FROM wanted)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM wanted)))
)
