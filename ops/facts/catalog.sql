-- Everything in this database that a migration can touch, as rows of text: kind, id, property,
-- value. One SELECT, so that a caller can wrap it. It reads only the catalog.
--
-- Two databases with the same objects give the same rows, whatever the order in which the objects
-- were made, on PostgreSQL 15 to 18. So there are no OIDs, no positions of columns, no owners. A
-- property that is as the server would have it by itself (`not null` of a nullable column, a
-- sequence's increment of 1) is no row; every object has at least one.
--
-- Left out: what belongs to an extension, and what hangs on a table of one; Prisma's ledger; the
-- system's own and temporary schemas; the names of not-null constraints, which PostgreSQL 18
-- generates; what is no object of the database: roles, settings, tablespaces, large objects.
--
-- An id is made of quote_ident() parts. What hangs on a relation begins with the relation's id:
-- schema.relation.name, indexes too. The id of a comment, grant or label is the kind and the id of
-- the object that it is on.
--
-- The caller sets what ops/facts/catalog.py has as SETTINGS, or names are not qualified and
-- constants are not printed alike. Definitions of views take ACCESS SHARE locks on the tables they
-- read: set a lock_timeout.
WITH ns AS MATERIALIZED (
  SELECT oid, quote_ident(nspname) AS id, nspacl, nspowner
  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), member AS MATERIALIZED (
  SELECT classid, objid FROM pg_depend
  WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
), ledger AS MATERIALIZED (
  SELECT oid FROM pg_class WHERE relname = '_prisma_migrations' AND relkind IN ('r', 'p')
), rel AS MATERIALIZED (
  SELECT c.oid, ns.id || '.' || quote_ident(c.relname) AS id, c.relkind,
    CASE c.relkind WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
      WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'composite type' ELSE 'table' END AS kind,
    c.relacl, c.relowner
  FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
    AND c.oid NOT IN (SELECT oid FROM ledger)
    AND c.oid NOT IN (SELECT d.objid FROM ledger JOIN pg_depend d  -- its sequences
                      ON d.refclassid = 'pg_class'::regclass AND d.refobjid = ledger.oid
                      WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
    AND NOT EXISTS (SELECT FROM member m
                    WHERE c.relkind = 'c' AND m.classid = 'pg_type'::regclass AND m.objid = c.reltype)
), typ AS MATERIALIZED (
  SELECT t.oid, ns.id || '.' || quote_ident(t.typname) AS id, t.typtype, t.typrelid,
    CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite type'
      WHEN 'r' THEN 'range type' ELSE 'type' END AS kind,
    t.typacl, t.typowner
  FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
  WHERE (t.typtype IN ('e', 'd', 'r', 'b', 'p') OR t.typtype = 'c' AND t.typrelid IN (SELECT oid FROM rel WHERE relkind = 'c'))
    AND NOT (t.typtype = 'b' AND t.typelem <> 0 AND EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid))
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
), fun AS MATERIALIZED (
  SELECT p.oid, ns.id || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS id,
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window function'
      ELSE 'function' END AS kind,
    p.proacl, p.proowner
  FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
), con AS MATERIALIZED (
  -- A foreign key on a partitioned table has a row more per partition, with a generated name.
  SELECT k.oid, rel.id || '.' || quote_ident(k.conname) AS id, k.convalidated
  FROM pg_constraint k JOIN rel ON rel.oid = k.conrelid
  LEFT JOIN pg_constraint up ON up.oid = k.conparentid
  WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND up.conrelid IS DISTINCT FROM k.conrelid
), dom AS MATERIALIZED (
  SELECT k.oid, typ.id || '.' || quote_ident(k.conname) AS id, k.convalidated
  FROM pg_constraint k JOIN typ ON typ.oid = k.contypid WHERE k.contype = 'c'
), ind AS MATERIALIZED (
  SELECT i.indexrelid AS oid, rel.id || '.' || quote_ident(c.relname) AS id,
    i.indisvalid AND i.indisready AS valid, i.indisclustered, i.indisreplident, c.reltablespace,
    c.relispartition
  FROM pg_index i JOIN rel ON rel.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
), trg AS MATERIALIZED (
  SELECT t.oid, rel.id || '.' || quote_ident(t.tgname) AS id, t.tgenabled
  FROM pg_trigger t JOIN rel ON rel.oid = t.tgrelid WHERE NOT t.tgisinternal
), rul AS MATERIALIZED (
  SELECT r.oid, rel.id || '.' || quote_ident(r.rulename) AS id, r.ev_enabled
  FROM pg_rewrite r JOIN rel ON rel.oid = r.ev_class WHERE r.rulename <> '_RETURN'
), pol AS MATERIALIZED (
  SELECT p.*, rel.id || '.' || quote_ident(p.polname) AS id FROM pg_policy p JOIN rel ON rel.oid = p.polrelid
), sta AS MATERIALIZED (
  SELECT s.oid, ns.id || '.' || quote_ident(s.stxname) AS id, rel.id AS relation, s.stxstattarget
  FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace JOIN rel ON rel.oid = s.stxrelid
), col AS MATERIALIZED (
  SELECT c.*, ns.id || '.' || quote_ident(c.collname) AS id
  FROM pg_collation c JOIN ns ON ns.oid = c.collnamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_collation'::regclass AND m.objid = c.oid)
), cnv AS MATERIALIZED (
  SELECT c.*, ns.id || '.' || quote_ident(c.conname) AS id
  FROM pg_conversion c JOIN ns ON ns.oid = c.connamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_conversion'::regclass AND m.objid = c.oid)
), tsc AS MATERIALIZED (
  SELECT c.*, ns.id || '.' || quote_ident(c.cfgname) AS id
  FROM pg_ts_config c JOIN ns ON ns.oid = c.cfgnamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_config'::regclass AND m.objid = c.oid)
), tsd AS MATERIALIZED (
  SELECT d.*, ns.id || '.' || quote_ident(d.dictname) AS id
  FROM pg_ts_dict d JOIN ns ON ns.oid = d.dictnamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_dict'::regclass AND m.objid = d.oid)
), tsp AS MATERIALIZED (
  SELECT p.*, ns.id || '.' || quote_ident(p.prsname) AS id
  FROM pg_ts_parser p JOIN ns ON ns.oid = p.prsnamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_parser'::regclass AND m.objid = p.oid)
), tst AS MATERIALIZED (
  SELECT t.*, ns.id || '.' || quote_ident(t.tmplname) AS id
  FROM pg_ts_template t JOIN ns ON ns.oid = t.tmplnamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_template'::regclass AND m.objid = t.oid)
), opr AS MATERIALIZED (
  SELECT o.*, ns.id || '.' || o.oprname || '(' || CASE o.oprleft WHEN 0 THEN 'NONE' ELSE format_type(o.oprleft, NULL) END
    || ', ' || CASE o.oprright WHEN 0 THEN 'NONE' ELSE format_type(o.oprright, NULL) END || ')' AS id
  FROM pg_operator o JOIN ns ON ns.oid = o.oprnamespace
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)
), opc AS MATERIALIZED (
  SELECT o.*, ns.id || '.' || quote_ident(o.opcname) || ' using ' || quote_ident(a.amname) AS id
  FROM pg_opclass o JOIN ns ON ns.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opclass'::regclass AND m.objid = o.oid)
), opf AS MATERIALIZED (
  SELECT o.oid, ns.id || '.' || quote_ident(o.opfname) || ' using ' || quote_ident(a.amname) AS id
  FROM pg_opfamily o JOIN ns ON ns.oid = o.opfnamespace JOIN pg_am a ON a.oid = o.opfmethod
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opfamily'::regclass AND m.objid = o.oid)
), cas AS MATERIALIZED (
  -- What has no schema is the system's own below FirstNormalObjectId.
  SELECT c.*, '(' || format_type(c.castsource, NULL) || ' as ' || format_type(c.casttarget, NULL) || ')' AS id
  FROM pg_cast c
  WHERE c.oid >= 16384
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_cast'::regclass AND m.objid = c.oid)
), lan AS MATERIALIZED (
  SELECT l.*, quote_ident(l.lanname) AS id FROM pg_language l
  WHERE l.oid >= 16384
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_language'::regclass AND m.objid = l.oid)
), tra AS MATERIALIZED (
  SELECT t.*, format_type(t.trftype, NULL) || ' language ' || quote_ident(l.lanname) AS id
  FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_transform'::regclass AND m.objid = t.oid)
), acc AS MATERIALIZED (
  SELECT a.*, quote_ident(a.amname) AS id FROM pg_am a
  WHERE a.oid >= 16384
    AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_am'::regclass AND m.objid = a.oid)
), evt AS MATERIALIZED (
  SELECT e.*, quote_ident(e.evtname) AS id FROM pg_event_trigger e
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
), pub AS MATERIALIZED (
  SELECT p.*, quote_ident(p.pubname) AS id FROM pg_publication p
), sub AS MATERIALIZED (
  -- Not its connection string, which holds a password and is readable by superusers only.
  SELECT s.oid, quote_ident(s.subname) AS id, s.subenabled, s.subslotname, s.subpublications
  FROM pg_subscription s
  WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
), fdw AS MATERIALIZED (
  SELECT f.*, quote_ident(f.fdwname) AS id FROM pg_foreign_data_wrapper f
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_data_wrapper'::regclass AND m.objid = f.oid)
), srv AS MATERIALIZED (
  SELECT s.*, quote_ident(s.srvname) AS id FROM pg_foreign_server s
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_server'::regclass AND m.objid = s.oid)
), named(class, oid, kind, id) AS (
  -- What can have a comment or a security label, columns aside.
  SELECT 'pg_namespace'::regclass::oid, oid, 'schema', id FROM ns
  UNION ALL SELECT 'pg_extension'::regclass, oid, 'extension', quote_ident(extname) FROM pg_extension
  UNION ALL SELECT 'pg_class'::regclass, oid, kind, id FROM rel WHERE relkind <> 'c'
  UNION ALL SELECT 'pg_class'::regclass, oid, 'index', id FROM ind
  UNION ALL SELECT 'pg_type'::regclass, oid, kind, id FROM typ
  UNION ALL SELECT 'pg_proc'::regclass, oid, kind, id FROM fun
  UNION ALL SELECT 'pg_constraint'::regclass, oid, 'constraint', id FROM con
  UNION ALL SELECT 'pg_constraint'::regclass, oid, 'domain constraint', id FROM dom
  UNION ALL SELECT 'pg_trigger'::regclass, oid, 'trigger', id FROM trg
  UNION ALL SELECT 'pg_rewrite'::regclass, oid, 'rule', id FROM rul
  UNION ALL SELECT 'pg_policy'::regclass, oid, 'policy', id FROM pol
  UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, 'statistics', id FROM sta
  UNION ALL SELECT 'pg_collation'::regclass, oid, 'collation', id FROM col
  UNION ALL SELECT 'pg_conversion'::regclass, oid, 'conversion', id FROM cnv
  UNION ALL SELECT 'pg_ts_config'::regclass, oid, 'text search configuration', id FROM tsc
  UNION ALL SELECT 'pg_ts_dict'::regclass, oid, 'text search dictionary', id FROM tsd
  UNION ALL SELECT 'pg_ts_parser'::regclass, oid, 'text search parser', id FROM tsp
  UNION ALL SELECT 'pg_ts_template'::regclass, oid, 'text search template', id FROM tst
  UNION ALL SELECT 'pg_operator'::regclass, oid, 'operator', id FROM opr
  UNION ALL SELECT 'pg_opclass'::regclass, oid, 'operator class', id FROM opc
  UNION ALL SELECT 'pg_opfamily'::regclass, oid, 'operator family', id FROM opf
  UNION ALL SELECT 'pg_cast'::regclass, oid, 'cast', id FROM cas
  UNION ALL SELECT 'pg_language'::regclass, oid, 'language', id FROM lan
  UNION ALL SELECT 'pg_transform'::regclass, oid, 'transform', id FROM tra
  UNION ALL SELECT 'pg_am'::regclass, oid, 'access method', id FROM acc
  UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 'event trigger', id FROM evt
  UNION ALL SELECT 'pg_publication'::regclass, oid, 'publication', id FROM pub
  UNION ALL SELECT 'pg_subscription'::regclass, oid, 'subscription', id FROM sub
  UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 'foreign data wrapper', id FROM fdw
  UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 'server', id FROM srv
), acl(kind, id, acl, owner, everyone) AS (
  -- `everyone`: what PUBLIC has unless it is taken away.
  SELECT 'schema', id, nspacl, nspowner, NULL FROM ns WHERE nspacl IS NOT NULL
  UNION ALL SELECT kind, id, relacl, relowner, NULL FROM rel WHERE relacl IS NOT NULL
  UNION ALL SELECT kind, id, typacl, typowner, 'USAGE' FROM typ WHERE typacl IS NOT NULL
  UNION ALL SELECT kind, id, proacl, proowner, 'EXECUTE' FROM fun WHERE proacl IS NOT NULL
  UNION ALL SELECT 'language', id, lanacl, lanowner, 'USAGE' FROM lan WHERE lanacl IS NOT NULL
  UNION ALL SELECT 'foreign data wrapper', id, fdwacl, fdwowner, NULL FROM fdw WHERE fdwacl IS NOT NULL
  UNION ALL SELECT 'server', id, srvacl, srvowner, NULL FROM srv WHERE srvacl IS NOT NULL
  UNION ALL SELECT 'column', rel.id || '.' || quote_ident(a.attname), a.attacl, NULL, NULL
  FROM pg_attribute a JOIN rel ON rel.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
), privileges(kind, id, owner, everyone, grantee, words) AS (
  -- ALL is more from PostgreSQL 17 on: MAINTAIN. It means the same everywhere.
  SELECT acl.kind, acl.id, acl.owner, acl.everyone, given.grantee,
    CASE WHEN given.number = whole.number AND given.grantable IN (0, given.number)
         THEN 'ALL' || CASE WHEN given.grantable > 0 THEN ' with grant option' ELSE '' END
         ELSE given.words END
  FROM acl
  CROSS JOIN (SELECT count(*) AS number FROM aclexplode(acldefault('r', 10))) whole
  CROSS JOIN LATERAL (
    SELECT grantee, count(*) AS number, count(*) FILTER (WHERE grantable) AS grantable,
      string_agg(privilege_type || CASE WHEN grantable THEN ' with grant option' ELSE '' END, ', '
                 ORDER BY privilege_type) AS words
    FROM (SELECT grantee, privilege_type, bool_or(is_grantable) AS grantable
          FROM aclexplode(acl.acl) GROUP BY 1, 2) single
    GROUP BY 1
  ) given
), relation AS (
  SELECT rel.id, rel.kind, c.*, am.amname, ts.spcname, toast.reloptions AS toastoptions, f.ftoptions, s.srvname
  FROM rel JOIN pg_class c ON c.oid = rel.oid
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_class toast ON toast.oid = c.reltoastrelid
  LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid
  LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver
  WHERE rel.relkind IN ('r', 'p', 'f', 'v', 'm')
)
SELECT 'schema' AS kind, id, 'exists' AS property, 'yes' AS value FROM ns

UNION ALL SELECT 'extension', quote_ident(e.extname), p.property, p.value
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (VALUES ('version', e.extversion), ('schema', quote_ident(n.nspname))) p(property, value)

UNION ALL SELECT 'enum', id, 'exists', 'yes' FROM typ WHERE typtype = 'e'
UNION ALL SELECT 'enum label', typ.id || '.' || quote_ident(e.enumlabel), 'exists', 'yes'
FROM pg_enum e JOIN typ ON typ.oid = e.enumtypid
UNION ALL SELECT 'enum order', typ.id, 'labels', string_agg(quote_ident(e.enumlabel), ', ' ORDER BY e.enumsortorder)
FROM pg_enum e JOIN typ ON typ.oid = e.enumtypid GROUP BY typ.id

UNION ALL SELECT 'domain', typ.id, p.property, p.value
FROM typ JOIN pg_type t ON t.oid = typ.oid JOIN pg_type b ON b.oid = t.typbasetype
CROSS JOIN LATERAL (VALUES
  ('type', format_type(t.typbasetype, t.typtypmod)),
  ('not null', CASE WHEN t.typnotnull THEN 'yes' END),
  ('default', pg_get_expr(t.typdefaultbin, 0)),
  ('collation', CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END)) p(property, value)
WHERE typ.typtype = 'd' AND p.value IS NOT NULL
UNION ALL SELECT 'domain constraint', dom.id, p.property, p.value
FROM dom CROSS JOIN LATERAL (VALUES
  ('definition', regexp_replace(pg_get_constraintdef(dom.oid), ' NOT VALID$', '')),
  ('valid', CASE WHEN NOT dom.convalidated THEN 'no' END)) p(property, value)
WHERE p.value IS NOT NULL

UNION ALL SELECT 'composite type', rel.id, 'attributes', coalesce(
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
FROM rel WHERE relkind = 'c'

UNION ALL SELECT 'range type', typ.id, p.property, p.value
FROM typ JOIN pg_range r ON r.rngtypid = typ.oid JOIN pg_opclass o ON o.oid = r.rngsubopc
JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_type b ON b.oid = r.rngsubtype
CROSS JOIN LATERAL (VALUES
  ('subtype', format_type(r.rngsubtype, NULL)),
  ('operator class', quote_ident(n.nspname) || '.' || quote_ident(o.opcname)),
  ('collation', CASE WHEN r.rngcollation <> b.typcollation THEN r.rngcollation::regcollation::text END),
  ('canonical', nullif(r.rngcanonical, 0)::regprocedure::text),
  ('difference', nullif(r.rngsubdiff, 0)::regprocedure::text),
  ('multirange', format_type(r.rngmultitypid, NULL))) p(property, value)
WHERE p.value IS NOT NULL

UNION ALL SELECT 'type', typ.id, p.property, p.value
FROM typ JOIN pg_type t ON t.oid = typ.oid
CROSS JOIN LATERAL (VALUES
  ('exists', 'yes'),
  ('definition', CASE WHEN t.typisdefined THEN concat_ws(' ',
    'input', nullif(t.typinput, 0)::regprocedure, 'output', nullif(t.typoutput, 0)::regprocedure,
    'receive', nullif(t.typreceive, 0)::regprocedure, 'send', nullif(t.typsend, 0)::regprocedure,
    'typmod_in', nullif(t.typmodin, 0)::regprocedure, 'typmod_out', nullif(t.typmodout, 0)::regprocedure,
    'analyze', nullif(t.typanalyze, 0)::regprocedure, 'subscript', nullif(t.typsubscript, 0)::regprocedure,
    'length', t.typlen, 'by value', t.typbyval, 'alignment', t.typalign, 'storage', t.typstorage,
    'category', t.typcategory, 'preferred', t.typispreferred, 'delimiter', t.typdelim,
    'element', format_type(nullif(t.typelem, 0), NULL), 'collation', nullif(t.typcollation, 0)::regcollation,
    'default', quote_literal(t.typdefault)) END)) p(property, value)
WHERE typ.typtype IN ('b', 'p') AND p.value IS NOT NULL

UNION ALL SELECT 'collation', col.id, p.property, p.value
FROM col CROSS JOIN LATERAL (VALUES
  -- Its columns have other names from version to version.
  ('provider', CASE col.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin'
    WHEN 'd' THEN 'default' END),
  ('locale', coalesce(to_jsonb(col) ->> 'colllocale', to_jsonb(col) ->> 'colliculocale')),
  ('lc_collate', col.collcollate::text), ('lc_ctype', col.collctype::text),
  ('rules', to_jsonb(col) ->> 'collicurules'),
  ('deterministic', CASE WHEN NOT col.collisdeterministic THEN 'no' END)) p(property, value)
WHERE p.value IS NOT NULL

UNION ALL SELECT 'conversion', id, 'definition', concat_ws(' ', pg_encoding_to_char(conforencoding), 'to',
  pg_encoding_to_char(contoencoding), 'from', conproc::regproc, CASE WHEN condefault THEN 'default' END)
FROM cnv
UNION ALL SELECT 'text search configuration', tsc.id, p.property, p.value
FROM tsc CROSS JOIN LATERAL (
  SELECT 'parser', (SELECT quote_ident(n.nspname) || '.' || quote_ident(s.prsname) FROM pg_ts_parser s
                    JOIN pg_namespace n ON n.oid = s.prsnamespace WHERE s.oid = tsc.cfgparser)
  UNION ALL SELECT 'mapping for ' || t.alias, string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno)
  FROM pg_ts_config_map m JOIN ts_token_type(tsc.cfgparser) t ON t.tokid = m.maptokentype
  WHERE m.mapcfg = tsc.oid GROUP BY t.alias) p(property, value)
UNION ALL SELECT 'text search dictionary', tsd.id, 'definition',
  quote_ident(n.nspname) || '.' || quote_ident(t.tmplname) || coalesce(' ' || tsd.dictinitoption, '')
FROM tsd JOIN pg_ts_template t ON t.oid = tsd.dicttemplate JOIN pg_namespace n ON n.oid = t.tmplnamespace
UNION ALL SELECT 'text search parser', id, 'definition', concat_ws(' ', prsstart::regproc, prstoken::regproc,
  prsend::regproc, nullif(prsheadline, 0)::regproc, prslextype::regproc)
FROM tsp
UNION ALL SELECT 'text search template', id, 'definition', concat_ws(' ', 'init', nullif(tmplinit, 0)::regproc,
  'lexize', tmpllexize::regproc)
FROM tst

UNION ALL SELECT 'operator', id, 'definition', concat_ws(' ', 'function', oprcode::regprocedure,
  'commutator', nullif(oprcom, 0)::regoperator, 'negator', nullif(oprnegate, 0)::regoperator,
  'restrict', nullif(oprrest, 0)::regprocedure, 'join', nullif(oprjoin, 0)::regprocedure,
  CASE WHEN oprcanhash THEN 'hashes' END, CASE WHEN oprcanmerge THEN 'merges' END)
FROM opr
UNION ALL SELECT 'operator class', opc.id, 'definition', concat_ws(' ', CASE WHEN opc.opcdefault THEN 'default' END,
  'for type', format_type(opc.opcintype, NULL), 'family', quote_ident(n.nspname) || '.' || quote_ident(f.opfname),
  'storage', format_type(nullif(opc.opckeytype, 0), NULL))
FROM opc JOIN pg_opfamily f ON f.oid = opc.opcfamily JOIN pg_namespace n ON n.oid = f.opfnamespace
UNION ALL SELECT 'operator family', opf.id, p.property, p.value
FROM opf CROSS JOIN LATERAL (
  SELECT 'exists', 'yes'
  UNION ALL SELECT 'operator ' || o.amopstrategy || ' (' || format_type(o.amoplefttype, NULL) || ', '
    || format_type(o.amoprighttype, NULL) || ')',
    concat_ws(' ', o.amopopr::regoperator, CASE o.amoppurpose WHEN 'o' THEN 'for order by' END,
      (SELECT quote_ident(n.nspname) || '.' || quote_ident(f.opfname) FROM pg_opfamily f
       JOIN pg_namespace n ON n.oid = f.opfnamespace WHERE f.oid = o.amopsortfamily))
  FROM pg_amop o WHERE o.amopfamily = opf.oid
  UNION ALL SELECT 'function ' || f.amprocnum || ' (' || format_type(f.amproclefttype, NULL) || ', '
    || format_type(f.amprocrighttype, NULL) || ')', f.amproc::regprocedure::text
  FROM pg_amproc f WHERE f.amprocfamily = opf.oid) p(property, value)
UNION ALL SELECT 'cast', id, 'definition', concat_ws(' ',
  CASE castmethod WHEN 'f' THEN 'with function' WHEN 'i' THEN 'with inout' ELSE 'without function' END,
  nullif(castfunc, 0)::regprocedure,
  CASE castcontext WHEN 'a' THEN 'as assignment' WHEN 'i' THEN 'as implicit' END)
FROM cas
UNION ALL SELECT 'language', id, 'definition', concat_ws(' ', CASE WHEN lanpltrusted THEN 'trusted' END,
  'handler', nullif(lanplcallfoid, 0)::regproc, 'inline', nullif(laninline, 0)::regproc,
  'validator', nullif(lanvalidator, 0)::regproc)
FROM lan
UNION ALL SELECT 'transform', id, 'definition', concat_ws(' ', 'from', nullif(trffromsql, 0)::regprocedure,
  'to', nullif(trftosql, 0)::regprocedure)
FROM tra
UNION ALL SELECT 'access method', id, 'definition', concat_ws(' ', CASE amtype WHEN 't' THEN 'table' ELSE 'index' END,
  amhandler::regproc)
FROM acc

UNION ALL SELECT r.kind, r.id, p.property, p.value
FROM relation r CROSS JOIN LATERAL (VALUES
  ('exists', 'yes'),
  ('definition', CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid) END),
  ('populated', CASE WHEN r.relkind = 'm' AND NOT r.relispopulated THEN 'no' END),
  ('persistence', CASE WHEN r.relpersistence = 'u' THEN 'unlogged' END),
  ('partitioned by', CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END),
  ('bound', CASE WHEN r.relispartition THEN pg_get_expr(r.relpartbound, r.oid) END),
  ('row security', CASE WHEN r.relrowsecurity THEN 'on' END),
  ('forced row security', CASE WHEN r.relforcerowsecurity THEN 'on' END),
  ('replica identity', CASE WHEN r.relkind IN ('v', 'f') THEN NULL WHEN r.relreplident = 'f' THEN 'full'
    WHEN r.relreplident = 'n' THEN 'nothing' WHEN r.relreplident = 'i' THEN 'index' END),
  ('of type', CASE WHEN r.reloftype <> 0 THEN format_type(r.reloftype, NULL) END),
  ('access method', nullif(r.amname, 'heap')),
  ('tablespace', quote_ident(r.spcname)),
  ('options', CASE WHEN r.reloptions IS NOT NULL THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.reloptions) o) END),
  ('toast options', CASE WHEN r.toastoptions IS NOT NULL THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.toastoptions) o) END),
  ('server', quote_ident(r.srvname)),
  ('foreign options', CASE WHEN r.ftoptions IS NOT NULL THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.ftoptions) o) END)
) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT r.kind, r.id, CASE WHEN c.relispartition THEN 'partition of' ELSE 'inherits' END,
  string_agg(quote_ident(n.nspname) || '.' || quote_ident(up.relname)
    || CASE WHEN i.inhdetachpending THEN ' (detach pending)' ELSE '' END, ', '
    ORDER BY n.nspname, up.relname)
FROM pg_inherits i JOIN rel r ON r.oid = i.inhrelid JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_class up ON up.oid = i.inhparent JOIN pg_namespace n ON n.oid = up.relnamespace
GROUP BY r.kind, r.id, c.relispartition

UNION ALL SELECT CASE rel.relkind WHEN 'c' THEN 'attribute' ELSE 'column' END,
  rel.id || '.' || quote_ident(a.attname), p.property, p.value
FROM pg_attribute a JOIN rel ON rel.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN (SELECT conrelid, conkey[1] AS attnum, convalidated, connoinherit FROM pg_constraint
           WHERE contype = 'n' AND conrelid <> 0 AND (NOT convalidated OR connoinherit)) n
  ON n.conrelid = a.attrelid AND n.attnum = a.attnum
CROSS JOIN LATERAL (VALUES
  ('type', format_type(a.atttypid, a.atttypmod)),
  ('not null', CASE WHEN NOT a.attnotnull THEN NULL WHEN NOT n.convalidated THEN 'not valid'
    WHEN n.connoinherit THEN 'no inherit' ELSE 'yes' END),
  ('default', CASE WHEN a.attgenerated = '' AND d.oid IS NOT NULL THEN pg_get_expr(d.adbin, d.adrelid) END),
  ('generated', CASE a.attgenerated WHEN '' THEN NULL WHEN 's' THEN 'stored ' ELSE 'virtual ' END
    || pg_get_expr(d.adbin, d.adrelid)),
  ('identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END),
  ('collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END),
  ('storage', CASE WHEN a.attstorage <> t.typstorage THEN
    CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END),
  ('compression', CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END),
  -- -1 up to 16, NULL from 17 on: the default.
  ('statistics', nullif(a.attstattarget, -1)::text),
  ('options', CASE WHEN a.attoptions IS NOT NULL THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(a.attoptions) o) END),
  ('foreign options', CASE WHEN a.attfdwoptions IS NOT NULL THEN (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(a.attfdwoptions) o) END)
) p(property, value)
WHERE a.attnum > 0 AND NOT a.attisdropped AND rel.relkind <> 'S' AND p.value IS NOT NULL

UNION ALL SELECT 'constraint', con.id, p.property, p.value
FROM con CROSS JOIN LATERAL (VALUES
  ('definition', regexp_replace(pg_get_constraintdef(con.oid), ' NOT VALID$', '')),
  ('valid', CASE WHEN NOT con.convalidated THEN 'no' END)) p(property, value)
WHERE p.value IS NOT NULL

UNION ALL SELECT 'index', ind.id, p.property, p.value
FROM ind LEFT JOIN pg_tablespace ts ON ts.oid = ind.reltablespace
LEFT JOIN pg_inherits h ON ind.relispartition AND h.inhrelid = ind.oid
LEFT JOIN ind up ON up.oid = h.inhparent
CROSS JOIN LATERAL (VALUES
  ('definition', pg_get_indexdef(ind.oid)),
  ('valid', CASE WHEN NOT ind.valid THEN 'no' END),
  ('clustered', CASE WHEN ind.indisclustered THEN 'yes' END),
  ('replica identity', CASE WHEN ind.indisreplident THEN 'yes' END),
  ('tablespace', quote_ident(ts.spcname)),
  ('attached to', up.id)) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'index', ind.id, 'statistics of ' || a.attnum, a.attstattarget::text
FROM pg_attribute a JOIN ind ON ind.oid = a.attrelid WHERE a.attstattarget >= 0

UNION ALL SELECT 'sequence', rel.id, p.property, p.value
FROM pg_sequence s JOIN rel ON rel.oid = s.seqrelid JOIN pg_class c ON c.oid = s.seqrelid
CROSS JOIN LATERAL (SELECT CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
  ELSE 9223372036854775807 END AS top) t
CROSS JOIN LATERAL (SELECT CASE WHEN s.seqincrement > 0 THEN 1 ELSE -t.top - 1 END AS low,
  CASE WHEN s.seqincrement > 0 THEN t.top ELSE -1 END AS high) l
CROSS JOIN LATERAL (VALUES
  ('type', format_type(s.seqtypid, NULL)),
  ('increment', nullif(s.seqincrement, 1)::text),
  ('minimum', nullif(s.seqmin, l.low)::text),
  ('maximum', nullif(s.seqmax, l.high)::text),
  ('start', nullif(s.seqstart, CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END)::text),
  ('cache', nullif(s.seqcache, 1)::text),
  ('cycle', CASE WHEN s.seqcycle THEN 'yes' END),
  ('persistence', CASE WHEN c.relpersistence = 'u' THEN 'unlogged' END)) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'sequence', rel.id, 'owned by', owner.id || '.' || quote_ident(a.attname)
FROM rel JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.objsubid = 0
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
JOIN rel owner ON owner.oid = d.refobjid
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE rel.relkind = 'S'

UNION ALL SELECT fun.kind, fun.id, 'definition', pg_get_functiondef(fun.oid) FROM fun WHERE fun.kind <> 'aggregate'
UNION ALL SELECT fun.kind, fun.id, 'definition', concat_ws(' ', pg_get_function_arguments(fun.oid),
  'returns', pg_get_function_result(fun.oid), 'kind', a.aggkind, 'direct', a.aggnumdirectargs,
  'state', a.aggtransfn::regprocedure, format_type(a.aggtranstype, NULL), a.aggtransspace,
  'final', nullif(a.aggfinalfn, 0)::regprocedure, a.aggfinalextra, a.aggfinalmodify,
  'combine', nullif(a.aggcombinefn, 0)::regprocedure, 'serial', nullif(a.aggserialfn, 0)::regprocedure,
  'deserial', nullif(a.aggdeserialfn, 0)::regprocedure,
  'moving', nullif(a.aggmtransfn, 0)::regprocedure, nullif(a.aggminvtransfn, 0)::regprocedure,
  format_type(nullif(a.aggmtranstype, 0), NULL), a.aggmtransspace, nullif(a.aggmfinalfn, 0)::regprocedure,
  a.aggmfinalextra, a.aggmfinalmodify, quote_literal(a.aggminitval),
  'sort', nullif(a.aggsortop, 0)::regoperator, 'initial', quote_literal(a.agginitval), 'parallel', p.proparallel)
FROM fun JOIN pg_aggregate a ON a.aggfnoid = fun.oid JOIN pg_proc p ON p.oid = fun.oid

UNION ALL SELECT 'trigger', trg.id, p.property, p.value
FROM trg CROSS JOIN LATERAL (VALUES
  ('definition', pg_get_triggerdef(trg.oid)),
  ('enabled', CASE trg.tgenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'event trigger', evt.id, p.property, p.value
FROM evt CROSS JOIN LATERAL (VALUES
  ('definition', concat_ws(' ', 'on', evt.evtevent, 'execute', evt.evtfoid::regprocedure, 'when tag in',
    (SELECT string_agg(t, ', ' ORDER BY t) FROM unnest(evt.evttags) t))),
  ('enabled', CASE evt.evtenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'rule', rul.id, p.property, p.value
FROM rul CROSS JOIN LATERAL (VALUES
  ('definition', pg_get_ruledef(rul.oid)),
  ('enabled', CASE rul.ev_enabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'policy', pol.id, p.property, p.value
FROM pol CROSS JOIN LATERAL (VALUES
  ('command', CASE pol.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
    WHEN 'd' THEN 'delete' ELSE 'all' END),
  ('permissive', CASE WHEN NOT pol.polpermissive THEN 'no' END),
  ('roles', (SELECT string_agg(n, ', ' ORDER BY n) FROM (
    SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END AS n FROM unnest(pol.polroles) r) s)),
  ('using', pg_get_expr(pol.polqual, pol.polrelid)),
  ('check', pg_get_expr(pol.polwithcheck, pol.polrelid))) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'statistics', sta.id, p.property, p.value
FROM sta CROSS JOIN LATERAL (VALUES
  ('definition', pg_get_statisticsobjdef(sta.oid)),
  ('on', sta.relation),
  ('target', nullif(sta.stxstattarget, -1)::text)) p(property, value)
WHERE p.value IS NOT NULL

UNION ALL SELECT 'publication', pub.id, p.property, p.value
FROM pub CROSS JOIN LATERAL (VALUES
  ('all tables', CASE WHEN pub.puballtables THEN 'yes' END),
  ('publish', concat_ws(', ', CASE WHEN pub.pubinsert THEN 'insert' END, CASE WHEN pub.pubupdate THEN 'update' END,
    CASE WHEN pub.pubdelete THEN 'delete' END, CASE WHEN pub.pubtruncate THEN 'truncate' END)),
  ('via root', CASE WHEN pub.pubviaroot THEN 'yes' END),
  ('generated columns', nullif(to_jsonb(pub) ->> 'pubgencols', 'n'))) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'publication table', pub.id || '.' || rel.id, p.property, p.value
FROM pg_publication_rel r JOIN pub ON pub.oid = r.prpubid JOIN rel ON rel.oid = r.prrelid
CROSS JOIN LATERAL (VALUES
  ('exists', 'yes'),
  ('where', pg_get_expr(r.prqual, r.prrelid)),
  ('columns', (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a
               WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)))) p(property, value)
WHERE p.value IS NOT NULL
UNION ALL SELECT 'publication schema', pub.id || '.' || ns.id, 'exists', 'yes'
FROM pg_publication_namespace n JOIN pub ON pub.oid = n.pnpubid JOIN ns ON ns.oid = n.pnnspid
UNION ALL SELECT 'subscription', sub.id, p.property, p.value
FROM sub CROSS JOIN LATERAL (VALUES
  ('publications', (SELECT string_agg(quote_ident(n), ', ' ORDER BY n) FROM unnest(sub.subpublications) n)),
  ('enabled', CASE WHEN NOT sub.subenabled THEN 'no' END),
  ('slot', quote_ident(sub.subslotname))) p(property, value)
WHERE p.value IS NOT NULL

UNION ALL SELECT 'foreign data wrapper', fdw.id, 'definition', concat_ws(' ',
  'handler', nullif(fdw.fdwhandler, 0)::regproc, 'validator', nullif(fdw.fdwvalidator, 0)::regproc,
  'options', (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(fdw.fdwoptions) o))
FROM fdw
UNION ALL SELECT 'server', srv.id, p.property, p.value
FROM srv JOIN pg_foreign_data_wrapper w ON w.oid = srv.srvfdw
CROSS JOIN LATERAL (VALUES
  ('wrapper', quote_ident(w.fdwname)),
  ('type', srv.srvtype),
  ('version', srv.srvversion),
  ('options', (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(srv.srvoptions) o))) p(property, value)
WHERE p.value IS NOT NULL
-- Not its options, which hold a password.
UNION ALL SELECT 'user mapping', quote_ident(srvname) || ' for ' || CASE umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(usename) END,
  'exists', 'yes'
FROM pg_user_mappings

UNION ALL SELECT 'comment', named.kind || ' ' || named.id, 'text', d.description
FROM pg_description d JOIN named ON named.class = d.classoid AND named.oid = d.objoid
WHERE d.objsubid = 0 AND (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass)
UNION ALL SELECT 'comment', CASE rel.relkind WHEN 'c' THEN 'attribute ' ELSE 'column ' END || rel.id || '.' || quote_ident(a.attname),
  'text', d.description
FROM pg_description d JOIN rel ON rel.oid = d.objoid
JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
WHERE d.classoid = 'pg_class'::regclass AND d.objsubid > 0

UNION ALL SELECT 'security label', named.kind || ' ' || named.id, quote_ident(l.provider), l.label
FROM pg_seclabel l JOIN named ON named.class = l.classoid AND named.oid = l.objoid WHERE l.objsubid = 0
UNION ALL SELECT 'security label', 'column ' || rel.id || '.' || quote_ident(a.attname), quote_ident(l.provider), l.label
FROM pg_seclabel l JOIN rel ON rel.oid = l.objoid
JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
WHERE l.classoid = 'pg_class'::regclass AND l.objsubid > 0

-- What its owner and PUBLIC have by themselves is no row, but a row says that it was taken away.
UNION ALL SELECT 'grant', kind || ' ' || id || ' to ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  'privileges', words
FROM privileges WHERE grantee IS DISTINCT FROM owner AND (grantee <> 0 OR words IS DISTINCT FROM everyone)
UNION ALL SELECT 'grant', kind || ' ' || id || ' to PUBLIC', 'privileges', 'none'
FROM acl WHERE everyone IS NOT NULL AND NOT EXISTS (SELECT FROM aclexplode(acl.acl) x WHERE x.grantee = 0)
UNION ALL SELECT 'default privileges', concat_ws(' ', quote_ident(pg_get_userbyid(a.defaclrole)), 'in ' || ns.id, 'on',
    CASE a.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
      WHEN 'n' THEN 'schemas' ELSE 'large objects' END), p.property, p.value
FROM pg_default_acl a LEFT JOIN ns ON ns.oid = a.defaclnamespace
CROSS JOIN LATERAL (
  SELECT 'exists', 'yes'
  UNION ALL SELECT 'to ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,
    CASE WHEN a.defaclobjtype = 'r' AND NOT bool_or(x.is_grantable)
           AND count(DISTINCT x.privilege_type) = (SELECT count(*) FROM aclexplode(acldefault('r', 10)))
         THEN 'ALL' ELSE string_agg(DISTINCT x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END, ', ')
    END
  FROM aclexplode(a.defaclacl) x WHERE x.grantee <> a.defaclrole GROUP BY x.grantee) p(property, value)
WHERE a.defaclnamespace = 0 OR ns.oid IS NOT NULL
