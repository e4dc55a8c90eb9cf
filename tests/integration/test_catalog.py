"""The catalog's query on real servers: every change is seen, and equal catalogs are equal.

The servers are PostgreSQL 16 and 18 of the wheel, and Debian's 15 where there is one. The key test
makes one change in each of many cases, and takes it back: the snapshot must name what changed, and
be as before at the end.
"""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ops.facts.catalog import (
    SETTINGS,
    Snapshot,
    catalog_query,
    changed_keys,
    describe,
    differences,
    parse_snapshot,
    relation_of,
)
from ops.sandbox.postgres import Binaries, Cluster, binaries
from tests.facts_cases import PASSWORD, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEBIAN: Final = Path("/usr/lib/postgresql/15/bin")
VERSIONS: Final = ["16", "18", pytest.param("15", marks=pytest.mark.host)]
LONG: Final = "x" * 63
MARK: Final = "@@"
SET: Final = "".join(f"SET LOCAL {name} = '{value}';\n" for name, value in SETTINGS.items())
PREPARE: Final = (
    f"BEGIN;\n{SET}PREPARE snapshot AS SELECT json_build_array(kind, id, property, value) "
    f"FROM (\n{catalog_query()}\n) AS rows;\nCOMMIT;\n"
)
SNAPSHOT: Final = f"BEGIN;\n{SET}EXECUTE snapshot;\nCOMMIT;\n"

BASE: Final = r'''
CREATE SCHEMA app;
CREATE SCHEMA "Odd.""s""";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE app.pair AS (a int, b text);
CREATE DOMAIN age AS int CONSTRAINT adult CHECK (VALUE > 17);
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE COLLATION app.c (locale = 'C');
CREATE SEQUENCE counter;
CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION same(app.pair, app.pair) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION as_text(app.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT 1::text';
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
CREATE OPERATOR app.=== (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = same);
CREATE OPERATOR FAMILY app.fam USING btree;
CREATE OPERATOR CLASS app.cls FOR TYPE int USING btree FAMILY app.fam AS OPERATOR 1 <;
CREATE CAST (app.pair AS text) WITH FUNCTION as_text(app.pair);
CREATE TEXT SEARCH DICTIONARY app.dict (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION app.conf (PARSER = "default");
CREATE TEXT SEARCH PARSER app.parser (
  START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE app.template (LEXIZE = dsimple_lexize);
CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TABLE users (id int, email text, n int, at timestamptz DEFAULT '2020-01-01 00:00+01',
  j jsonb, CONSTRAINT users_pkey PRIMARY KEY (id));
INSERT INTO users VALUES (1, 'x', -1), (2, 'x', -1);
CREATE TABLE posts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author int, title text);
ALTER TABLE posts ADD CONSTRAINT author FOREIGN KEY (author) REFERENCES users;
CREATE INDEX title ON posts (title);
CREATE TABLE "Odd.""s"""."T.a ""b""" ("c.d ""e""" int);
CREATE TABLE app.parted (id int, at date) PARTITION BY RANGE (at);
CREATE INDEX parted_id ON app.parted (id);
CREATE TABLE app.part PARTITION OF app.parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE app.free (id int, at date);
CREATE INDEX free_id ON app.free (id);
CREATE TABLE app.elder (id int);
CREATE TABLE child () INHERITS (app.elder);
CREATE VIEW v AS SELECT id, email FROM users;
CREATE MATERIALIZED VIEW m AS SELECT id FROM users;
CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION tg();
CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION evt();
CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING;
CREATE POLICY pol ON users USING (true);
CREATE STATISTICS app.st ON id, n FROM users;
CREATE PUBLICATION pub FOR TABLE users;
CREATE FOREIGN DATA WRAPPER fdw;
CREATE SERVER srv FOREIGN DATA WRAPPER fdw;
CREATE FOREIGN TABLE ft (a int) SERVER srv;
CREATE USER MAPPING FOR app SERVER srv;
'''

SUBSCRIPTION: Final = (
    "CREATE SUBSCRIPTION sub CONNECTION 'password=secret' PUBLICATION p WITH (connect = false)",
    "ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub",
)

# What changes, as "kind id: property" (`exists` for an object that comes or goes); the statement;
# and the one that takes it back.
CHANGES: Final[list[tuple[str, str, str]]] = [
    # Schemas and extensions' like
    ("schema s: exists", "CREATE SCHEMA s", "DROP SCHEMA s"),
    ("schema app2: exists", "ALTER SCHEMA app RENAME TO app2", "ALTER SCHEMA app2 RENAME TO app"),
    # Types
    ("enum public.e: exists", "CREATE TYPE e AS ENUM ()", "DROP TYPE e"),
    ("enum label public.e.a: exists", "CREATE TYPE e AS ENUM ('a')", "DROP TYPE e"),
    (
        'enum label public.mood."very ok": exists',
        "ALTER TYPE mood RENAME VALUE 'ok' TO 'very ok'",
        "ALTER TYPE mood RENAME VALUE 'very ok' TO 'ok'",
    ),
    (
        "enum order public.mood: labels",
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('ok', 'sad')",
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok')",
    ),
    (
        "enum order public.mood: labels",
        "ALTER TYPE mood ADD VALUE 'bad' BEFORE 'sad'",
        "DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok')",
    ),
    (
        "enum public.humour: exists",
        "ALTER TYPE mood RENAME TO humour",
        "ALTER TYPE humour RENAME TO mood",
    ),
    (
        "enum app.mood: exists",
        "ALTER TYPE mood SET SCHEMA app",
        "ALTER TYPE app.mood SET SCHEMA public",
    ),
    ("domain public.d: exists", "CREATE DOMAIN d AS text", "DROP DOMAIN d"),
    (
        "domain public.age: type",
        "DROP DOMAIN age; CREATE DOMAIN age AS bigint CONSTRAINT adult CHECK (VALUE > 17)",
        "DROP DOMAIN age; CREATE DOMAIN age AS int CONSTRAINT adult CHECK (VALUE > 17)",
    ),
    ("domain public.d: collation", 'CREATE DOMAIN d AS text COLLATE "C"', "DROP DOMAIN d"),
    ("domain public.age: not null", "ALTER DOMAIN age SET NOT NULL",
     "ALTER DOMAIN age DROP NOT NULL"),
    ("domain public.age: default", "ALTER DOMAIN age SET DEFAULT 20",
     "ALTER DOMAIN age DROP DEFAULT"),
    (
        "domain constraint public.age.old: exists",
        "ALTER DOMAIN age ADD CONSTRAINT old CHECK (VALUE < 99)",
        "ALTER DOMAIN age DROP CONSTRAINT old",
    ),
    (
        "domain constraint public.age.adult: definition",
        ("ALTER DOMAIN age DROP CONSTRAINT adult; "
        "ALTER DOMAIN age ADD CONSTRAINT adult CHECK (VALUE > 20)"),
        ("ALTER DOMAIN age DROP CONSTRAINT adult; "
        "ALTER DOMAIN age ADD CONSTRAINT adult CHECK (VALUE > 17)"),
    ),
    (
        "domain constraint public.age.adult: valid",
        ("ALTER DOMAIN age DROP CONSTRAINT adult; "
        "ALTER DOMAIN age ADD CONSTRAINT adult CHECK (VALUE > 17) NOT VALID"),
        "ALTER DOMAIN age VALIDATE CONSTRAINT adult",
    ),
    (
        "domain constraint public.age.grown: exists",
        "ALTER DOMAIN age RENAME CONSTRAINT adult TO grown",
        "ALTER DOMAIN age RENAME CONSTRAINT grown TO adult",
    ),
    ("composite type public.k: exists", "CREATE TYPE k AS ()", "DROP TYPE k"),
    (
        "composite type app.pair: attributes",
        "ALTER TYPE app.pair ADD ATTRIBUTE c int",
        "ALTER TYPE app.pair DROP ATTRIBUTE c",
    ),
    (
        "attribute app.pair.c: exists",
        "ALTER TYPE app.pair ADD ATTRIBUTE c int",
        "ALTER TYPE app.pair DROP ATTRIBUTE c",
    ),
    (
        "attribute app.pair.b: type",
        "ALTER TYPE app.pair ALTER ATTRIBUTE b TYPE varchar(3)",
        "ALTER TYPE app.pair ALTER ATTRIBUTE b TYPE text",
    ),
    (
        "attribute app.pair.b: collation",
        'ALTER TYPE app.pair ALTER ATTRIBUTE b TYPE text COLLATE "C"',
        "ALTER TYPE app.pair ALTER ATTRIBUTE b TYPE text",
    ),
    (
        "attribute app.pair.bb: exists",
        "ALTER TYPE app.pair RENAME ATTRIBUTE b TO bb",
        "ALTER TYPE app.pair RENAME ATTRIBUTE bb TO b",
    ),
    ("range type public.rt: exists", "CREATE TYPE rt AS RANGE (subtype = date)", "DROP TYPE rt"),
    (
        "range type app.span: subtype",
        "DROP TYPE app.span; CREATE TYPE app.span AS RANGE (subtype = int)",
        "DROP TYPE app.span; CREATE TYPE app.span AS RANGE (subtype = float8)",
    ),
    (
        "range type public.rt: operator class",
        "CREATE TYPE rt AS RANGE (subtype = text, subtype_opclass = text_pattern_ops)",
        "DROP TYPE rt",
    ),
    (
        "range type public.rt: collation",
        "CREATE TYPE rt AS RANGE (subtype = text, collation = app.c)",
        "DROP TYPE rt",
    ),
    (
        "range type public.rt: difference",
        "CREATE TYPE rt AS RANGE (subtype = float8, subtype_diff = float8mi)",
        "DROP TYPE rt",
    ),
    (
        "range type app.span: multirange",
        ("DROP TYPE app.span; "
        "CREATE TYPE app.span AS RANGE (subtype = float8, multirange_type_name = app.many)"),
        "DROP TYPE app.span; CREATE TYPE app.span AS RANGE (subtype = float8)",
    ),
    ("type public.shell: exists", "CREATE TYPE shell", "DROP TYPE shell"),
    (
        "type public.base: definition",
        ("CREATE TYPE base; "
        "CREATE FUNCTION bi(cstring) RETURNS base LANGUAGE internal STRICT IMMUTABLE AS 'int4in'; "
        "CREATE FUNCTION bo(base) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'int4out'; "
        "CREATE TYPE base (INPUT = bi, OUTPUT = bo, LIKE = int)"),
        "DROP TYPE base CASCADE",
    ),
    # What belongs to types
    ("collation public.k: exists", "CREATE COLLATION k (locale = 'POSIX')", "DROP COLLATION k"),
    ("collation public.k: provider", "CREATE COLLATION k (locale = 'C')", "DROP COLLATION k"),
    (
        "collation app.c: lc_collate",
        "DROP COLLATION app.c; CREATE COLLATION app.c (lc_collate = 'POSIX', lc_ctype = 'C')",
        "DROP COLLATION app.c; CREATE COLLATION app.c (locale = 'C')",
    ),
    (
        "collation app.c: lc_ctype",
        "DROP COLLATION app.c; CREATE COLLATION app.c (lc_collate = 'C', lc_ctype = 'POSIX')",
        "DROP COLLATION app.c; CREATE COLLATION app.c (locale = 'C')",
    ),
    (
        "collation app.cc: exists",
        "ALTER COLLATION app.c RENAME TO cc",
        "ALTER COLLATION app.cc RENAME TO c",
    ),
    (
        "conversion app.conv: definition",
        ("DROP CONVERSION app.conv; "
        "CREATE CONVERSION app.conv FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1"),
        ("DROP CONVERSION app.conv; "
        "CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8"),
    ),
    (
        "conversion app.conv2: exists",
        "ALTER CONVERSION app.conv RENAME TO conv2",
        "ALTER CONVERSION app.conv2 RENAME TO conv",
    ),
    (
        "text search configuration app.conf: mapping for word",
        "ALTER TEXT SEARCH CONFIGURATION app.conf ADD MAPPING FOR word WITH app.dict, simple",
        "ALTER TEXT SEARCH CONFIGURATION app.conf DROP MAPPING FOR word",
    ),
    (
        "text search configuration app.conf2: exists",
        "ALTER TEXT SEARCH CONFIGURATION app.conf RENAME TO conf2",
        "ALTER TEXT SEARCH CONFIGURATION app.conf2 RENAME TO conf",
    ),
    (
        "text search dictionary app.dict: definition",
        "ALTER TEXT SEARCH DICTIONARY app.dict (ACCEPT = false)",
        "ALTER TEXT SEARCH DICTIONARY app.dict (ACCEPT)",
    ),
    (
        "text search dictionary app.dict2: exists",
        "ALTER TEXT SEARCH DICTIONARY app.dict RENAME TO dict2",
        "ALTER TEXT SEARCH DICTIONARY app.dict2 RENAME TO dict",
    ),
    (
        "text search parser app.parser: definition",
        ("DROP TEXT SEARCH PARSER app.parser; CREATE TEXT SEARCH PARSER app.parser (START = "
        "prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, "
        "HEADLINE = prsd_headline)"),
        ("DROP TEXT SEARCH PARSER app.parser; CREATE TEXT SEARCH PARSER app.parser (START = "
        "prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)"),
    ),
    (
        "text search template app.template: definition",
        ("DROP TEXT SEARCH TEMPLATE app.template; "
        "CREATE TEXT SEARCH TEMPLATE app.template (INIT = dsimple_init, LEXIZE = dsimple_lexize)"),
        ("DROP TEXT SEARCH TEMPLATE app.template; "
        "CREATE TEXT SEARCH TEMPLATE app.template (LEXIZE = dsimple_lexize)"),
    ),
    (
        "operator app.====(app.pair, app.pair): exists",
        "CREATE OPERATOR app.==== (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = same)",
        "DROP OPERATOR app.==== (app.pair, app.pair)",
    ),
    (
        "operator app.===(app.pair, app.pair): definition",
        "ALTER OPERATOR app.=== (app.pair, app.pair) SET (RESTRICT = eqsel)",
        "ALTER OPERATOR app.=== (app.pair, app.pair) SET (RESTRICT = NONE)",
    ),
    (
        "operator class app.cls using btree: definition",
        ("DROP OPERATOR CLASS app.cls USING btree; CREATE OPERATOR CLASS app.cls "
        "FOR TYPE bigint USING btree FAMILY app.fam AS OPERATOR 1 <"),
        ("DROP OPERATOR CLASS app.cls USING btree; CREATE OPERATOR CLASS app.cls "
        "FOR TYPE int USING btree FAMILY app.fam AS OPERATOR 1 <"),
    ),
    (
        "operator class app.cls2 using btree: exists",
        "ALTER OPERATOR CLASS app.cls USING btree RENAME TO cls2",
        "ALTER OPERATOR CLASS app.cls2 USING btree RENAME TO cls",
    ),
    (
        "operator family app.fam using btree: operator 3 (integer, bigint)",
        "ALTER OPERATOR FAMILY app.fam USING btree ADD OPERATOR 3 = (int, bigint)",
        "ALTER OPERATOR FAMILY app.fam USING btree DROP OPERATOR 3 (int, bigint)",
    ),
    (
        "operator family app.fam using btree: function 1 (integer, bigint)",
        ("ALTER OPERATOR FAMILY app.fam USING btree ADD FUNCTION 1 (int, bigint) "
        "btint48cmp(int, bigint)"),
        "ALTER OPERATOR FAMILY app.fam USING btree DROP FUNCTION 1 (int, bigint)",
    ),
    (
        "operator family app.fam2 using hash: exists",
        "CREATE OPERATOR FAMILY app.fam2 USING hash",
        "DROP OPERATOR FAMILY app.fam2 USING hash",
    ),
    (
        "cast (app.pair as text): definition",
        ("DROP CAST (app.pair AS text); "
        "CREATE CAST (app.pair AS text) WITH FUNCTION as_text(app.pair) AS IMPLICIT"),
        ("DROP CAST (app.pair AS text); "
        "CREATE CAST (app.pair AS text) WITH FUNCTION as_text(app.pair)"),
    ),
    ("cast (json as bytea): exists", "CREATE CAST (json AS bytea) WITHOUT FUNCTION",
     "DROP CAST (json AS bytea)"),
    (
        "transform integer language sql: exists",
        "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "DROP TRANSFORM FOR int LANGUAGE sql",
    ),
    (
        "language other: definition",
        "CREATE TRUSTED LANGUAGE other HANDLER plpgsql_call_handler",
        "DROP LANGUAGE other",
    ),
    (
        "access method heap2: exists",
        "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler",
        "DROP ACCESS METHOD heap2",
    ),
    # Tables
    ("table public.k: exists", "CREATE TABLE k ()", "DROP TABLE k"),
    ("table app.k: exists", "CREATE TABLE app.k ()", "DROP TABLE app.k"),
    ("table public.people: exists", "ALTER TABLE users RENAME TO people",
     "ALTER TABLE people RENAME TO users"),
    ("table app.users: exists", "ALTER TABLE users SET SCHEMA app",
     "ALTER TABLE app.users SET SCHEMA public"),
    (f"table public.{LONG}: exists", f"CREATE TABLE {LONG} ()", f"DROP TABLE {LONG}"),
    ("table public.child: persistence", "ALTER TABLE child SET UNLOGGED",
     "ALTER TABLE child SET LOGGED"),
    ("table public.users: row security", "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
     "ALTER TABLE users DISABLE ROW LEVEL SECURITY"),
    ("table public.users: forced row security", "ALTER TABLE users FORCE ROW LEVEL SECURITY",
     "ALTER TABLE users NO FORCE ROW LEVEL SECURITY"),
    ("table public.users: replica identity", "ALTER TABLE users REPLICA IDENTITY FULL",
     "ALTER TABLE users REPLICA IDENTITY DEFAULT"),
    ("index public.users.users_pkey: replica identity",
     "ALTER TABLE users REPLICA IDENTITY USING INDEX users_pkey",
     "ALTER TABLE users REPLICA IDENTITY DEFAULT"),
    ("table public.users: options", "ALTER TABLE users SET (fillfactor = 70)",
     "ALTER TABLE users RESET (fillfactor)"),
    ("table public.users: toast options", "ALTER TABLE users SET (toast.autovacuum_enabled = off)",
     "ALTER TABLE users RESET (toast.autovacuum_enabled)"),
    ("table public.child: inherits", "ALTER TABLE child NO INHERIT app.elder",
     "ALTER TABLE child INHERIT app.elder"),
    ("table app.free: bound",
     ("ALTER TABLE app.parted ATTACH PARTITION app.free FOR VALUES FROM ('2022-01-01') TO "
     "('2023-01-01')"), "ALTER TABLE app.parted DETACH PARTITION app.free"),
    ("table app.part: partition of", "ALTER TABLE app.parted DETACH PARTITION app.part",
     ("ALTER TABLE app.parted ATTACH PARTITION app.part FOR VALUES FROM ('2020-01-01') TO "
     "('2021-01-01')")),
    ("index app.part.part_id_idx: attached to", "ALTER TABLE app.parted DETACH PARTITION app.part",
     ("ALTER TABLE app.parted ATTACH PARTITION app.part FOR VALUES FROM ('2020-01-01') TO "
     "('2021-01-01')")),
    ("table app.part: bound",
     ("ALTER TABLE app.parted DETACH PARTITION app.part; ALTER TABLE app.parted ATTACH PARTITION "
     "app.part FOR VALUES FROM ('2020-01-01') TO ('2022-01-01')"),
     ("ALTER TABLE app.parted DETACH PARTITION app.part; ALTER TABLE app.parted ATTACH PARTITION "
     "app.part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')")),
    ("table public.k: partitioned by", "CREATE TABLE k (a int) PARTITION BY HASH (a)",
     "DROP TABLE k"),
    ("table public.k: of type", "CREATE TABLE k OF app.pair", "DROP TABLE k"),
    ("table public.child: access method", ("CREATE ACCESS METHOD h TYPE TABLE HANDLER "
     "heap_tableam_handler; ALTER TABLE child SET ACCESS METHOD h"),
     "ALTER TABLE child SET ACCESS METHOD heap; DROP ACCESS METHOD h"),
    # Columns
    ("column public.users.more: exists", "ALTER TABLE users ADD more int",
     "ALTER TABLE users DROP more"),
    ('column public.users."a.b ""c""": exists', 'ALTER TABLE users ADD "a.b ""c""" int',
     'ALTER TABLE users DROP "a.b ""c"""'),
    ("column public.users.mail: exists", "ALTER TABLE users RENAME email TO mail",
     "ALTER TABLE users RENAME mail TO email"),
    ("column public.users.n: type", "ALTER TABLE users ALTER n TYPE bigint",
     "ALTER TABLE users ALTER n TYPE int"),
    ("column public.posts.title: type", "ALTER TABLE posts ALTER title TYPE varchar(9)",
     "ALTER TABLE posts ALTER title TYPE text"),
    ("column public.users.n: not null", "ALTER TABLE users ALTER n SET NOT NULL",
     "ALTER TABLE users ALTER n DROP NOT NULL"),
    ("column public.users.n: default", "ALTER TABLE users ALTER n SET DEFAULT 3",
     "ALTER TABLE users ALTER n DROP DEFAULT"),
    ("column public.users.at: default", "ALTER TABLE users ALTER at SET DEFAULT now()",
     "ALTER TABLE users ALTER at SET DEFAULT '2020-01-01 01:00+02'"),
    ("column public.posts.id: identity", "ALTER TABLE posts ALTER id SET GENERATED BY DEFAULT",
     "ALTER TABLE posts ALTER id SET GENERATED ALWAYS"),
    ("column public.posts.id: identity", "ALTER TABLE posts ALTER id DROP IDENTITY",
     "ALTER TABLE posts ALTER id ADD GENERATED ALWAYS AS IDENTITY"),
    ("sequence public.posts_id_seq: increment", "ALTER TABLE posts ALTER id SET INCREMENT 2",
     "ALTER TABLE posts ALTER id SET INCREMENT 1"),
    ("column public.k.b: generated",
     "CREATE TABLE k (a int, b int GENERATED ALWAYS AS (a * 2) STORED)", "DROP TABLE k"),
    ("column public.users.g: exists",
     "ALTER TABLE users ADD g int GENERATED ALWAYS AS (id + 1) STORED",
     "ALTER TABLE users DROP g"),
    ("column public.posts.title: collation", 'ALTER TABLE posts ALTER title TYPE text COLLATE "C"',
     "ALTER TABLE posts ALTER title TYPE text"),
    ("column public.users.email: storage", "ALTER TABLE users ALTER email SET STORAGE external",
     "ALTER TABLE users ALTER email SET STORAGE extended"),
    ("column public.users.email: compression", "ALTER TABLE users ALTER email SET COMPRESSION pglz",
     "ALTER TABLE users ALTER email SET COMPRESSION default"),
    ("column public.users.email: statistics", "ALTER TABLE users ALTER email SET STATISTICS 500",
     "ALTER TABLE users ALTER email SET STATISTICS -1"),
    ("column public.users.email: statistics", "ALTER TABLE users ALTER email SET STATISTICS 0",
     "ALTER TABLE users ALTER email SET STATISTICS -1"),
    ("column public.users.email: options", "ALTER TABLE users ALTER email SET (n_distinct = 5)",
     "ALTER TABLE users ALTER email RESET (n_distinct)"),
    # Constraints
    ("constraint public.users.users_pkey: exists",
     "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE",
     ("ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY (id); "
     "ALTER TABLE posts ADD CONSTRAINT author FOREIGN KEY (author) REFERENCES users")),
    ("constraint public.users.positive: exists",
     "ALTER TABLE users ADD CONSTRAINT positive CHECK (id > 0)",
     "ALTER TABLE users DROP CONSTRAINT positive"),
    ("constraint public.users.positive: exists",
     "ALTER TABLE users ADD CONSTRAINT positive CHECK (n > 0) NOT VALID",
     "ALTER TABLE users DROP CONSTRAINT positive"),
    ("constraint public.posts.author: valid",
     ("ALTER TABLE posts DROP CONSTRAINT author, "
     "ADD CONSTRAINT author FOREIGN KEY (author) REFERENCES users NOT VALID"),
     "ALTER TABLE posts VALIDATE CONSTRAINT author"),
    ("constraint public.posts.author: definition",
     "ALTER TABLE posts ALTER CONSTRAINT author DEFERRABLE INITIALLY DEFERRED",
     "ALTER TABLE posts ALTER CONSTRAINT author NOT DEFERRABLE"),
    ("constraint public.posts.author: definition",
     ("ALTER TABLE posts DROP CONSTRAINT author, ADD CONSTRAINT author FOREIGN KEY (author) "
     "REFERENCES users ON DELETE CASCADE"),
     ("ALTER TABLE posts DROP CONSTRAINT author, ADD CONSTRAINT author FOREIGN KEY (author) "
     "REFERENCES users")),
    ("constraint public.posts.writer: exists",
     "ALTER TABLE posts RENAME CONSTRAINT author TO writer",
     "ALTER TABLE posts RENAME CONSTRAINT writer TO author"),
    ("constraint public.posts.u: exists",
     "ALTER TABLE posts ADD CONSTRAINT u UNIQUE NULLS NOT DISTINCT (title)",
     "ALTER TABLE posts DROP CONSTRAINT u"),
    ("constraint public.posts.x: exists",
     "ALTER TABLE posts ADD CONSTRAINT x EXCLUDE (title WITH =)",
     "ALTER TABLE posts DROP CONSTRAINT x"),
    ("trigger public.users.ct: exists", ("CREATE CONSTRAINT TRIGGER ct AFTER INSERT ON users "
     "DEFERRABLE FOR EACH ROW EXECUTE FUNCTION tg()"), "DROP TRIGGER ct ON users"),
    # Indexes
    ("index public.users.i: exists", "CREATE INDEX i ON users (email)", "DROP INDEX i"),
    ("index public.users.i: valid",
     ("\\set ON_ERROR_STOP 0\nCREATE UNIQUE INDEX CONCURRENTLY i ON users (email);\n"
     "\\set ON_ERROR_STOP 1\n"), "DROP INDEX i"),
    ("index app.parted.i: valid", "CREATE INDEX i ON ONLY app.parted (at)", "DROP INDEX app.i"),
    ("index public.posts.title: definition",
     "DROP INDEX title; CREATE UNIQUE INDEX title ON posts (title)",
     "DROP INDEX title; CREATE INDEX title ON posts (title)"),
    ("index public.posts.title: definition",
     "DROP INDEX title; CREATE INDEX title ON posts (title DESC) WHERE title > 'a'",
     "DROP INDEX title; CREATE INDEX title ON posts (title)"),
    ("index public.posts.title: definition", "ALTER INDEX title SET (fillfactor = 50)",
     "ALTER INDEX title RESET (fillfactor)"),
    ("index public.posts.heading: exists", "ALTER INDEX title RENAME TO heading",
     "ALTER INDEX heading RENAME TO title"),
    ("index public.posts.title: clustered", "ALTER TABLE posts CLUSTER ON title",
     "ALTER TABLE posts SET WITHOUT CLUSTER"),
    ("index public.users.l: statistics of 1",
     "CREATE INDEX l ON users (lower(email)); ALTER INDEX l ALTER COLUMN 1 SET STATISTICS 9",
     "DROP INDEX l"),
    ("index public.m.mi: exists", "CREATE UNIQUE INDEX mi ON m (id)", "DROP INDEX mi"),
    # Sequences
    ("sequence public.s: exists", "CREATE SEQUENCE s", "DROP SEQUENCE s"),
    ("sequence public.counter: type", "ALTER SEQUENCE counter AS int",
     "ALTER SEQUENCE counter AS bigint"),
    ("sequence public.counter: start", "ALTER SEQUENCE counter START 5",
     "ALTER SEQUENCE counter START 1"),
    ("sequence public.counter: increment", "ALTER SEQUENCE counter INCREMENT 5",
     "ALTER SEQUENCE counter INCREMENT 1"),
    ("sequence public.counter: minimum", "ALTER SEQUENCE counter MINVALUE -5",
     "ALTER SEQUENCE counter NO MINVALUE"),
    ("sequence public.counter: maximum", "ALTER SEQUENCE counter MAXVALUE 5000",
     "ALTER SEQUENCE counter NO MAXVALUE"),
    ("sequence public.counter: cache", "ALTER SEQUENCE counter CACHE 5",
     "ALTER SEQUENCE counter CACHE 1"),
    ("sequence public.counter: cycle", "ALTER SEQUENCE counter CYCLE",
     "ALTER SEQUENCE counter NO CYCLE"),
    ("sequence public.counter: owned by", "ALTER SEQUENCE counter OWNED BY users.n",
     "ALTER SEQUENCE counter OWNED BY NONE"),
    ("sequence public.counter: persistence", "ALTER SEQUENCE counter SET UNLOGGED",
     "ALTER SEQUENCE counter SET LOGGED"),
    ("sequence public.c2: exists", "ALTER SEQUENCE counter RENAME TO c2",
     "ALTER SEQUENCE c2 RENAME TO counter"),
    # Views
    ("view public.w: exists", "CREATE VIEW w AS SELECT 1 AS one", "DROP VIEW w"),
    ("view public.v: definition", ("CREATE OR REPLACE VIEW v AS SELECT id, email FROM users "
     "WHERE id > 1"), "CREATE OR REPLACE VIEW v AS SELECT id, email FROM users"),
    ("column public.v.n: exists", "CREATE OR REPLACE VIEW v AS SELECT id, email, n FROM users",
     ("DROP VIEW v; CREATE VIEW v AS SELECT id, email FROM users; "
     "CREATE RULE r AS ON INSERT TO v DO INSTEAD NOTHING")),
    ("column public.v.mail: exists", "ALTER VIEW v RENAME email TO mail",
     "ALTER VIEW v RENAME mail TO email"),
    ("column public.v.email: default", "ALTER VIEW v ALTER email SET DEFAULT 'x'",
     "ALTER VIEW v ALTER email DROP DEFAULT"),
    ("view public.v: options", "ALTER VIEW v SET (security_invoker = true)",
     "ALTER VIEW v RESET (security_invoker)"),
    ("view public.w: exists", "ALTER VIEW v RENAME TO w", "ALTER VIEW w RENAME TO v"),
    ("materialized view public.m: populated", "REFRESH MATERIALIZED VIEW m WITH NO DATA",
     "REFRESH MATERIALIZED VIEW m"),
    ("materialized view public.m: definition",
     "DROP MATERIALIZED VIEW m; CREATE MATERIALIZED VIEW m AS SELECT id FROM users WHERE id > 0",
     "DROP MATERIALIZED VIEW m; CREATE MATERIALIZED VIEW m AS SELECT id FROM users"),
    ("materialized view public.m2: exists", "ALTER MATERIALIZED VIEW m RENAME TO m2",
     "ALTER MATERIALIZED VIEW m2 RENAME TO m"),
    # Functions
    ("function public.f(text, integer[]): exists",
     "CREATE FUNCTION f(text, int[]) RETURNS int LANGUAGE sql AS 'SELECT 1'",
     "DROP FUNCTION f(text, int[])"),
    ("function public.f(integer): definition",
     "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'",
     "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a'"),
    ("function public.f(integer): definition", "ALTER FUNCTION f(int) STABLE",
     "ALTER FUNCTION f(int) VOLATILE"),
    ("function public.f(integer): definition", "ALTER FUNCTION f(int) SECURITY DEFINER",
     "ALTER FUNCTION f(int) SECURITY INVOKER"),
    ("function public.f(integer): definition", "ALTER FUNCTION f(int) SET search_path = app",
     "ALTER FUNCTION f(int) RESET ALL"),
    ("function public.f(integer): definition",
     "CREATE OR REPLACE FUNCTION f(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT a'",
     "DROP FUNCTION f; CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a'"),
    ("function public.g(integer): exists", "ALTER FUNCTION f(int) RENAME TO g",
     "ALTER FUNCTION g(int) RENAME TO f"),
    ("procedure public.p(): definition",
     "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'SELECT 2'",
     "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'"),
    ("aggregate public.total(integer): definition",
     "CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
     "CREATE OR REPLACE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)"),
    ("window function public.rn(): exists",
     "CREATE FUNCTION rn() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number'",
     "DROP FUNCTION rn"),
    # Triggers, rules, policies
    ("trigger public.users.t2: exists",
     "CREATE TRIGGER t2 AFTER UPDATE ON users EXECUTE FUNCTION tg()", "DROP TRIGGER t2 ON users"),
    ("trigger public.users.t: definition",
     ("CREATE OR REPLACE TRIGGER t BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.id > 1) "
     "EXECUTE FUNCTION tg()"),
     "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION tg()"),
    ("trigger public.users.t: enabled", "ALTER TABLE users DISABLE TRIGGER t",
     "ALTER TABLE users ENABLE TRIGGER t"),
    ("trigger public.users.t: enabled", "ALTER TABLE users ENABLE ALWAYS TRIGGER t",
     "ALTER TABLE users ENABLE TRIGGER t"),
    ("trigger public.users.tt: exists", "ALTER TRIGGER t ON users RENAME TO tt",
     "ALTER TRIGGER tt ON users RENAME TO t"),
    ("event trigger et: enabled", "ALTER EVENT TRIGGER et DISABLE",
     "ALTER EVENT TRIGGER et ENABLE"),
    ("event trigger et: definition",
     ("DROP EVENT TRIGGER et; CREATE EVENT TRIGGER et ON sql_drop WHEN TAG IN ('DROP TABLE') "
     "EXECUTE FUNCTION evt()"),
     "DROP EVENT TRIGGER et; CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION evt()"),
    ("event trigger et2: exists", "ALTER EVENT TRIGGER et RENAME TO et2",
     "ALTER EVENT TRIGGER et2 RENAME TO et"),
    ("rule public.v.r2: exists", "CREATE RULE r2 AS ON UPDATE TO v DO INSTEAD NOTHING",
     "DROP RULE r2 ON v"),
    ("rule public.v.r: definition",
     ("CREATE OR REPLACE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO posts (title) VALUES "
     "(NEW.email)"), "CREATE OR REPLACE RULE r AS ON INSERT TO v DO INSTEAD NOTHING"),
    ("rule public.users.ru: enabled",
     "CREATE RULE ru AS ON DELETE TO users DO ALSO NOTHING; ALTER TABLE users DISABLE RULE ru",
     "DROP RULE ru ON users"),
    ("rule public.v.rr: exists", "ALTER RULE r ON v RENAME TO rr",
     "ALTER RULE rr ON v RENAME TO r"),
    ("policy public.users.p2: exists", "CREATE POLICY p2 ON users", "DROP POLICY p2 ON users"),
    ("policy public.users.pol: using", "ALTER POLICY pol ON users USING (id > 1)",
     "ALTER POLICY pol ON users USING (true)"),
    ("policy public.users.pol: check", "ALTER POLICY pol ON users WITH CHECK (id > 1)",
     "DROP POLICY pol ON users; CREATE POLICY pol ON users USING (true)"),
    ("policy public.users.pol: roles", "ALTER POLICY pol ON users TO app, reader",
     "ALTER POLICY pol ON users TO PUBLIC"),
    ("policy public.users.pol: command",
     "DROP POLICY pol ON users; CREATE POLICY pol ON users FOR SELECT USING (true)",
     "DROP POLICY pol ON users; CREATE POLICY pol ON users USING (true)"),
    ("policy public.users.pol: permissive",
     "DROP POLICY pol ON users; CREATE POLICY pol ON users AS RESTRICTIVE USING (true)",
     "DROP POLICY pol ON users; CREATE POLICY pol ON users USING (true)"),
    ("policy public.users.pol2: exists", "ALTER POLICY pol ON users RENAME TO pol2",
     "ALTER POLICY pol2 ON users RENAME TO pol"),
    # Statistics, publications, foreign data
    ("statistics public.st2: exists", "CREATE STATISTICS st2 ON (id + 1) FROM users",
     "DROP STATISTICS st2"),
    ("statistics public.st2: on", "CREATE STATISTICS st2 ON id, n FROM users",
     "DROP STATISTICS st2"),
    ("statistics app.st: target", "ALTER STATISTICS app.st SET STATISTICS 99",
     "ALTER STATISTICS app.st SET STATISTICS -1"),
    ("statistics app.st: definition",
     "DROP STATISTICS app.st; CREATE STATISTICS app.st (mcv) ON id, n FROM users",
     "DROP STATISTICS app.st; CREATE STATISTICS app.st ON id, n FROM users"),
    ("statistics app.st3: exists", "ALTER STATISTICS app.st RENAME TO st3",
     "ALTER STATISTICS app.st3 RENAME TO st"),
    ("publication everything: exists", "CREATE PUBLICATION everything FOR ALL TABLES",
     "DROP PUBLICATION everything"),
    ("publication pub: publish", "ALTER PUBLICATION pub SET (publish = 'insert')",
     "ALTER PUBLICATION pub SET (publish = 'insert, update, delete, truncate')"),
    ("publication pub: via root", "ALTER PUBLICATION pub SET (publish_via_partition_root)",
     "ALTER PUBLICATION pub SET (publish_via_partition_root = false)"),
    ("publication pub: all tables",
     "DROP PUBLICATION pub; CREATE PUBLICATION pub FOR ALL TABLES",
     "DROP PUBLICATION pub; CREATE PUBLICATION pub FOR TABLE users"),
    ("publication table pub.public.posts: exists", "ALTER PUBLICATION pub ADD TABLE posts",
     "ALTER PUBLICATION pub DROP TABLE posts"),
    ("publication table pub.public.users: where",
     "ALTER PUBLICATION pub SET TABLE users WHERE (id > 1)",
     "ALTER PUBLICATION pub SET TABLE users"),
    ("publication table pub.public.users: columns",
     "ALTER PUBLICATION pub SET TABLE users (email, id)", "ALTER PUBLICATION pub SET TABLE users"),
    ("publication schema pub.app: exists", "ALTER PUBLICATION pub ADD TABLES IN SCHEMA app",
     "ALTER PUBLICATION pub DROP TABLES IN SCHEMA app"),
    ("publication pub2: exists", "ALTER PUBLICATION pub RENAME TO pub2",
     "ALTER PUBLICATION pub2 RENAME TO pub"),
    ("subscription sub: exists", *SUBSCRIPTION),
    ("subscription sub: publications", *SUBSCRIPTION),
    ("subscription sub: enabled", *SUBSCRIPTION),
    ("subscription sub: slot", *SUBSCRIPTION),
    ("foreign data wrapper fdw: definition", "ALTER FOREIGN DATA WRAPPER fdw OPTIONS (ADD a 'b')",
     "ALTER FOREIGN DATA WRAPPER fdw OPTIONS (DROP a)"),
    ("foreign data wrapper fdw2: exists", "ALTER FOREIGN DATA WRAPPER fdw RENAME TO fdw2",
     "ALTER FOREIGN DATA WRAPPER fdw2 RENAME TO fdw"),
    ("server srv: options", "ALTER SERVER srv OPTIONS (ADD host 'h')",
     "ALTER SERVER srv OPTIONS (DROP host)"),
    ("server srv2: exists", "ALTER SERVER srv RENAME TO srv2", "ALTER SERVER srv2 RENAME TO srv"),
    ("user mapping srv for PUBLIC: exists", "CREATE USER MAPPING FOR PUBLIC SERVER srv",
     "DROP USER MAPPING FOR PUBLIC SERVER srv"),
    ("foreign table public.ft: server",
     ("CREATE SERVER other FOREIGN DATA WRAPPER fdw; "
     "DROP FOREIGN TABLE ft; CREATE FOREIGN TABLE ft (a int) SERVER other"),
     "DROP FOREIGN TABLE ft; CREATE FOREIGN TABLE ft (a int) SERVER srv; DROP SERVER other"),
    ("server srv: version", "ALTER SERVER srv VERSION '2'",
     ("DROP SERVER srv CASCADE; CREATE SERVER srv FOREIGN DATA WRAPPER fdw; "
     "CREATE FOREIGN TABLE ft (a int) SERVER srv; CREATE USER MAPPING FOR app SERVER srv")),
    ("server other: wrapper", "CREATE SERVER other TYPE 'x' FOREIGN DATA WRAPPER fdw",
     "DROP SERVER other"),
    ("foreign table public.ft2: exists", "CREATE FOREIGN TABLE ft2 () SERVER srv",
     "DROP FOREIGN TABLE ft2"),
    ("foreign table public.ft: foreign options", "ALTER FOREIGN TABLE ft OPTIONS (ADD x 'y')",
     "ALTER FOREIGN TABLE ft OPTIONS (DROP x)"),
    ("column public.ft.a: foreign options", "ALTER FOREIGN TABLE ft ALTER a OPTIONS (ADD x 'y')",
     "ALTER FOREIGN TABLE ft ALTER a OPTIONS (DROP x)"),
    # Grants
    ("grant table public.users to app: exists", "GRANT SELECT, INSERT ON users TO app",
     "REVOKE ALL ON users FROM app"),
    ("grant table public.users to PUBLIC: exists", "GRANT SELECT ON users TO PUBLIC",
     "REVOKE SELECT ON users FROM PUBLIC"),
    ("grant view public.v to app: exists", "GRANT ALL ON v TO app WITH GRANT OPTION",
     "REVOKE ALL ON v FROM app"),
    ("grant column public.users.email to app: exists", "GRANT UPDATE (email) ON users TO app",
     "REVOKE UPDATE (email) ON users FROM app"),
    ("grant schema app to app: exists", "GRANT USAGE ON SCHEMA app TO app",
     "REVOKE USAGE ON SCHEMA app FROM app"),
    ("grant schema public to PUBLIC: privileges", "GRANT CREATE ON SCHEMA public TO PUBLIC",
     "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
    ("grant sequence public.counter to app: exists", "GRANT USAGE ON SEQUENCE counter TO app",
     "REVOKE USAGE ON SEQUENCE counter FROM app"),
    ("grant function public.f(integer) to PUBLIC: exists",
     "REVOKE EXECUTE ON FUNCTION f FROM PUBLIC", "GRANT EXECUTE ON FUNCTION f TO PUBLIC"),
    ("grant function public.f(integer) to app: exists", "GRANT EXECUTE ON FUNCTION f TO app",
     "REVOKE EXECUTE ON FUNCTION f FROM app"),
    ("grant enum public.mood to app: exists", "GRANT USAGE ON TYPE mood TO app",
     "REVOKE USAGE ON TYPE mood FROM app"),
    ("grant domain public.age to PUBLIC: exists", "REVOKE USAGE ON DOMAIN age FROM PUBLIC",
     "GRANT USAGE ON DOMAIN age TO PUBLIC"),
    ("grant server srv to app: exists", "GRANT USAGE ON FOREIGN SERVER srv TO app",
     "REVOKE USAGE ON FOREIGN SERVER srv FROM app"),
    ("grant foreign data wrapper fdw to app: exists",
     "GRANT USAGE ON FOREIGN DATA WRAPPER fdw TO app",
     "REVOKE USAGE ON FOREIGN DATA WRAPPER fdw FROM app"),
    ("default privileges postgres in app on tables: exists",
     "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader",
     "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM reader"),
    ("default privileges postgres on tables: to reader",
     "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader",
     "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM reader"),
    ("default privileges app on functions: exists",
     "ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
     "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT EXECUTE ON FUNCTIONS TO PUBLIC"),
]  # fmt: skip

# A comment on each kind; COMMENT ON <what> IS 'x' is seen as a comment on <kind id>.
COMMENTED: Final = {
    "schema app": "SCHEMA app",
    "enum public.mood": "TYPE mood",
    "domain public.age": "DOMAIN age",
    "domain constraint public.age.adult": "CONSTRAINT adult ON DOMAIN age",
    "composite type app.pair": "TYPE app.pair",
    "attribute app.pair.a": "COLUMN app.pair.a",
    "range type app.span": "TYPE app.span",
    "collation app.c": "COLLATION app.c",
    "conversion app.conv": "CONVERSION app.conv",
    "text search configuration app.conf": "TEXT SEARCH CONFIGURATION app.conf",
    "text search dictionary app.dict": "TEXT SEARCH DICTIONARY app.dict",
    "text search parser app.parser": "TEXT SEARCH PARSER app.parser",
    "text search template app.template": "TEXT SEARCH TEMPLATE app.template",
    "operator app.===(app.pair, app.pair)": "OPERATOR app.=== (app.pair, app.pair)",
    "operator class app.cls using btree": "OPERATOR CLASS app.cls USING btree",
    "operator family app.fam using btree": "OPERATOR FAMILY app.fam USING btree",
    "cast (app.pair as text)": "CAST (app.pair AS text)",
    "table public.users": "TABLE users",
    "column public.users.email": "COLUMN users.email",
    'column "Odd.""s"""."T.a ""b"""."c.d ""e"""': 'COLUMN "Odd.""s"""."T.a ""b"""."c.d ""e"""',
    "constraint public.posts.author": "CONSTRAINT author ON posts",
    "index public.posts.title": "INDEX title",
    "sequence public.counter": "SEQUENCE counter",
    "view public.v": "VIEW v",
    "column public.v.id": "COLUMN v.id",
    "materialized view public.m": "MATERIALIZED VIEW m",
    "function public.f(integer)": "FUNCTION f(int)",
    "procedure public.p()": "PROCEDURE p()",
    "aggregate public.total(integer)": "AGGREGATE total(int)",
    "trigger public.users.t": "TRIGGER t ON users",
    "event trigger et": "EVENT TRIGGER et",
    "rule public.v.r": "RULE r ON v",
    "policy public.users.pol": "POLICY pol ON users",
    "statistics app.st": "STATISTICS app.st",
    "publication pub": "PUBLICATION pub",
    "foreign data wrapper fdw": "FOREIGN DATA WRAPPER fdw",
    "server srv": "SERVER srv",
    "foreign table public.ft": "FOREIGN TABLE ft",
}
CHANGES.extend(
    (f"comment {seen}: exists", f"COMMENT ON {what} IS 'it''s'", f"COMMENT ON {what} IS NULL")
    for seen, what in COMMENTED.items()
)

# Only PostgreSQL 18 has these.
CHANGES_18: Final = [
    ("collation app.c: locale",
     "DROP COLLATION app.c; CREATE COLLATION app.c (provider = builtin, locale = 'C.UTF8')",
     "DROP COLLATION app.c; CREATE COLLATION app.c (locale = 'C')"),
    ("column public.users.n: not null",
     "ALTER TABLE users ADD CONSTRAINT some_name NOT NULL n NOT VALID",
     "ALTER TABLE users DROP CONSTRAINT some_name"),
    ("column public.k.b: generated",
     "CREATE TABLE k (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)", "DROP TABLE k"),
    ("constraint public.posts.author: definition",
     "ALTER TABLE posts ALTER CONSTRAINT author NOT ENFORCED",
     "ALTER TABLE posts ALTER CONSTRAINT author ENFORCED"),
    ("publication pub: generated columns",
     "ALTER PUBLICATION pub SET (publish_generated_columns = stored)",
     "ALTER PUBLICATION pub SET (publish_generated_columns = none)"),
]  # fmt: skip

NASTY: Final = r'''
CREATE SCHEMA "Odd schema.""x""";
CREATE SCHEMA app;
CREATE TYPE mood AS ENUM ('sad', 'o.k.', 'it''s', 'Grüße "q"');
CREATE TYPE app.pair AS (a int, "B b" text COLLATE "C");
CREATE DOMAIN app.positive AS int DEFAULT 1 NOT NULL CHECK (VALUE > 0) CONSTRAINT small CHECK
  (VALUE < 1000);
CREATE DOMAIN app.domdom AS app.positive;
CREATE TYPE app.span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION app.c (locale = 'C');
CREATE SEQUENCE app.s AS smallint INCREMENT -2 START -5 MINVALUE -100 MAXVALUE 10 CACHE 3 CYCLE;
CREATE TABLE users (
  id serial PRIMARY KEY, email text NOT NULL UNIQUE, "Full name" varchar(80) COLLATE "C",
  m mood DEFAULT 'sad'::mood, at timestamptz DEFAULT '2020-01-01 00:00+02', on_ date DEFAULT
  CURRENT_DATE,
  iv interval DEFAULT '1 day 2 hours', num numeric(10,2) DEFAULT 1.50 CHECK (num >= 0), tags
  text[] DEFAULT '{a,b}',
  j jsonb DEFAULT '{"a": 1}', b bytea DEFAULT '\xdead', u uuid DEFAULT gen_random_uuid(), p
  app.positive, pr app.pair,
  gen int GENERATED ALWAYS AS (id * 2) STORED, tsv tsvector GENERATED ALWAYS AS
  (to_tsvector('english', email)) STORED,
  age int, status text DEFAULT 'new' CHECK (status IN ('new', 'old')), during tstzrange, "a.b"
  int, x float8 DEFAULT 1e-7);
ALTER TABLE users ADD CONSTRAINT ratio CHECK (age BETWEEN 1 AND 200 AND (num::float8 / 3 < 1.1
  OR email ~* '^a') AND NOT (status = ANY (ARRAY['x','y'])) ) NOT VALID;
CREATE TABLE posts (id bigint GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 3) PRIMARY KEY,
  author int NOT NULL REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  title text, body text, parent bigint REFERENCES posts, kind int GENERATED BY DEFAULT AS
  IDENTITY, UNIQUE NULLS NOT DISTINCT (author, title) INCLUDE (body), EXCLUDE USING gist
  (box(point(0,0), point(1,1)) WITH &&));
CREATE INDEX lower_email ON users (lower(email) DESC NULLS LAST, (age + 1)) WHERE age IS NOT
  NULL AND status <> 'old';
CREATE INDEX "Posts.body idx" ON posts USING gin (to_tsvector('english'::regconfig, body)) WITH
  (fastupdate = off);
CREATE INDEX pat ON posts (title text_pattern_ops) INCLUDE (body) WITH (fillfactor = 70);
CREATE TABLE "Odd schema.""x"""."Tab le.""1""" ("Co l.""1""" int PRIMARY KEY, "select" text);
CREATE TABLE parted (id int, at timestamptz NOT NULL, region text, PRIMARY KEY (id, at), CHECK
  (id > 0)) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2020-01-01 00:00+00') TO
  ('2021-01-01 00:00+00');
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM ('2021-01-01 00:00+00') TO
  ('2022-01-01 00:00+00') PARTITION BY LIST (id);
CREATE TABLE parted_2_eu PARTITION OF parted_2 FOR VALUES IN (1, 7);
CREATE TABLE parted_d PARTITION OF parted DEFAULT;
CREATE INDEX parted_region ON parted (region);
CREATE TABLE refers (id int PRIMARY KEY, pid int, pat timestamptz, FOREIGN KEY (pid, pat)
  REFERENCES parted);
ALTER TABLE parted ADD COLUMN owner int REFERENCES users;
CREATE TABLE hashed (id int NOT NULL, t text, UNIQUE (id)) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 (id int NOT NULL, t text);
ALTER TABLE hashed ATTACH PARTITION hashed_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE base (a int NOT NULL, CONSTRAINT pos CHECK (a > 0)); CREATE TABLE child (b int)
  INHERITS (base); CREATE TABLE child2 (c int) INHERITS (child, base);
CREATE TABLE typed OF app.pair;
CREATE UNLOGGED TABLE unl (id int) WITH (autovacuum_enabled = off, fillfactor = 50,
  toast.autovacuum_enabled = off);
CREATE VIEW v1 AS SELECT * FROM users;
CREATE VIEW v2 AS SELECT id, email AS mail, "Full name" FROM users u WHERE u.age > 3 ORDER BY
  u.age LIMIT 5;
CREATE VIEW v3 AS SELECT u.*, p.title, count(*) OVER (PARTITION BY p.author ORDER BY p.id ROWS
  BETWEEN 1 PRECEDING AND CURRENT ROW) AS n FROM users u LEFT JOIN posts p ON p.author = u.id;
CREATE VIEW v4 AS WITH RECURSIVE t(n, path) AS (VALUES (1, ARRAY[1]) UNION ALL SELECT n + 1,
  path || n FROM t WHERE n < 10) SEARCH DEPTH FIRST BY n SET o CYCLE n SET c USING pth SELECT n,
  path FROM t;
CREATE VIEW v5 AS SELECT status, count(*) FILTER (WHERE age > 1) AS c, sum(num) AS s FROM users
  GROUP BY status HAVING count(*) > 1;
CREATE VIEW v6 AS SELECT author FROM posts UNION ALL SELECT id FROM users EXCEPT SELECT 1;
CREATE VIEW v7 AS SELECT mail FROM v2 WHERE EXISTS (SELECT 1 FROM posts WHERE author = v2.id AND
  title LIKE '%x%') AND id IN (SELECT author FROM posts);
CREATE VIEW v8 AS SELECT x.a, (x.p).a AS pa, extract(year FROM at) AS y, at AT TIME ZONE 'UTC'
  AS z FROM (SELECT id AS a, pr AS p, at FROM users) x;
CREATE VIEW v9 AS SELECT * FROM generate_series(1, 3) AS g(i);
CREATE VIEW v10 AS SELECT users FROM users;
CREATE VIEW v11 AS SELECT coalesce(age, 0) AS a, CASE WHEN age > 1 THEN 'x' WHEN age IS NULL
  THEN 'y' ELSE 'z' END AS c, nullif(age, 1) AS n, greatest(age, 1) AS g, ROW(age, id) < ROW(id,
  2) AS r, ARRAY(SELECT id FROM posts WHERE posts.author = users.id) AS arr, position('a' IN
  email) AS pos, trim(both ' ' FROM email) AS tr, substring(email FROM 1 FOR 2) AS ss,
  overlay(email PLACING 'x' FROM 1) AS ov, tags[1:2] AS sl, j -> 'a' ->> 'b' AS jj, email IS
  DISTINCT FROM 'x' AS dis, email SIMILAR TO 'a%' AS sim, age BETWEEN 1 AND 2 AS btw, age IN
  (1,2,3) AS inn, (at, at) OVERLAPS (at, at) AS ovl FROM users;
CREATE VIEW v12 AS SELECT DISTINCT ON (author) author, title FROM posts ORDER BY author, id DESC
  NULLS LAST FETCH FIRST 3 ROWS WITH TIES;
CREATE VIEW v13 AS SELECT status, age, count(*) AS c FROM users GROUP BY GROUPING SETS
  ((status), (age), ()), ROLLUP (status) ORDER BY 1;
CREATE VIEW v14 AS SELECT u.id, l.n FROM users u CROSS JOIN LATERAL (SELECT count(*) AS n FROM
  posts p WHERE p.author = u.id) l NATURAL JOIN (SELECT 1 AS id) q;
CREATE VIEW v15 WITH (security_barrier, security_invoker = true) AS SELECT id, email FROM ONLY
  users WHERE age > 1 WITH LOCAL CHECK OPTION;
CREATE VIEW v16 AS SELECT t.* FROM parted AS t TABLESAMPLE system (10) REPEATABLE (1);
CREATE VIEW v17 AS SELECT id, row_number() OVER w AS r, lag(id) OVER (w ROWS 2 PRECEDING) FROM
  users WINDOW w AS (PARTITION BY status ORDER BY id);
CREATE VIEW v18 AS SELECT 1 AS one;
CREATE VIEW v19 AS VALUES (1, 'a'), (2, 'b');
CREATE VIEW v20 AS SELECT s."select", s."Co l.""1""" AS "Z z" FROM
  "Odd schema.""x"""."Tab le.""1""" s;
CREATE VIEW v21 AS SELECT string_agg(DISTINCT email, ', ' ORDER BY email) AS e,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY age) AS med, array_agg(id ORDER BY id DESC) AS
  ids, json_agg(users.*) AS js FROM users;
CREATE VIEW v22 AS SELECT a.id FROM users a JOIN posts b USING (id) JOIN users c USING (id);
CREATE VIEW v23 AS SELECT '2020-01-01 00:00+02'::timestamptz AS t, interval '1 month' AS i,
  1.5::real AS r, E'a\\b\n' AS e, B'101' AS bits, date '2020-02-02' AS d FROM users;
CREATE VIEW v24 AS WITH a AS MATERIALIZED (SELECT id, age FROM users WHERE age > 1), b AS
  (SELECT id FROM a) SELECT id FROM b;
CREATE VIEW v25 AS SELECT email FROM users FOR UPDATE;
CREATE VIEW v26 AS SELECT (SELECT max(p.id) FROM posts p WHERE p.author = users.id) AS last,
  users.email || E'\'users.x' AS e FROM public.users;
CREATE VIEW v27 AS SELECT email COLLATE "C" AS ce FROM users;
CREATE VIEW v28 AS SELECT "Full name" FROM users "U u" WHERE "U u"."Full name" = 'a' AND id = 1;
CREATE VIEW v29 AS SELECT * FROM unnest(ARRAY[1,2], ARRAY['a','b']) WITH ORDINALITY AS t(a, b,
  o);
CREATE VIEW v30 AS SELECT * FROM ROWS FROM (generate_series(1,2), generate_series(1,3)) AS r(x,
  y);
CREATE VIEW v31 AS SELECT u.age FROM users u GROUP BY u.age, u.id HAVING u.id > 1 ORDER BY u.id;
CREATE VIEW v32 AS SELECT u.id AS users, (u.pr).a, (u.pr)."B b" FROM users u;
CREATE VIEW v33 AS SELECT id, (SELECT count(*) FROM posts) AS n FROM users WHERE (id, age) IN
  (SELECT p.author, p.kind FROM posts p WHERE users.id > 3) AND age > ALL (SELECT 1) ORDER BY
  (SELECT 1), users.age;
CREATE VIEW v34 AS SELECT * FROM (SELECT id FROM users UNION SELECT author FROM posts) s;
CREATE VIEW v35 AS TABLE users;
CREATE VIEW v36 AS SELECT users.email, users.id users FROM users ORDER BY users;
ALTER VIEW v2 RENAME COLUMN mail TO post;
ALTER VIEW v2 ALTER COLUMN post SET DEFAULT 'x';
CREATE MATERIALIZED VIEW mv AS SELECT id, email FROM users WHERE age > 1;
CREATE MATERIALIZED VIEW mv2 AS SELECT u.id FROM users u, posts p WITH NO DATA;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE FUNCTION plus(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL
  SAFE COST 5 AS 'SELECT a + b';
CREATE FUNCTION atomic(a int) RETURNS TABLE (x int, y text) LANGUAGE sql BEGIN ATOMIC SELECT id,
  email FROM users WHERE id > a; SELECT u.id, 'x' AS x FROM users u JOIN posts p ON true; END;
CREATE FUNCTION ret(a int) RETURNS int LANGUAGE sql RETURN a + 1;
CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public,
  pg_temp SET work_mem = '5MB' AS $f$ BEGIN RETURN NEW; END $f$;
CREATE FUNCTION outs(IN a int, OUT b int, IN OUT c text, VARIADIC d int[]) LANGUAGE plpgsql AS
  $$ BEGIN b := 1; END $$;
CREATE PROCEDURE proc(a mood, IN OUT b app.pair) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE FUNCTION evt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION eqf(app.pair, app.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE AGGREGATE total(int) (SFUNC = plus, STYPE = int, INITCOND = '0');
CREATE AGGREGATE pct(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE =
  internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE OPERATOR app.=== (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = eqf, COMMUTATOR =
  OPERATOR(app.===), RESTRICT = eqsel);
CREATE OPERATOR FAMILY app.fam USING btree;
CREATE OPERATOR CLASS app.cls FOR TYPE int USING btree FAMILY app.fam AS OPERATOR 1 <, OPERATOR
  2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE FUNCTION pair_text(app.pair) RETURNS text LANGUAGE sql IMMUTABLE AS
  'SELECT ($1).a::text';
CREATE CAST (app.pair AS text) WITH FUNCTION pair_text(app.pair) AS ASSIGNMENT;
CREATE TEXT SEARCH DICTIONARY app.dict (TEMPLATE = simple, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION app.conf (COPY = english);
ALTER TEXT SEARCH CONFIGURATION app.conf ALTER MAPPING FOR word WITH app.dict, simple;
CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TRIGGER t1 BEFORE INSERT OR UPDATE OF email, age ON users FOR EACH ROW WHEN (NEW.age > 1
  AND NEW.email <> 'x') EXECUTE FUNCTION tg('a', 'b''c');
CREATE CONSTRAINT TRIGGER t2 AFTER INSERT ON posts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION tg();
CREATE TRIGGER t3 AFTER UPDATE ON parted REFERENCING NEW TABLE AS n OLD TABLE AS o FOR EACH
  STATEMENT EXECUTE FUNCTION tg();
CREATE TRIGGER t4 AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION tg();
CREATE TRIGGER t5 INSTEAD OF INSERT ON v2 FOR EACH ROW EXECUTE FUNCTION tg();
ALTER TABLE users DISABLE TRIGGER t1;
CREATE EVENT TRIGGER et ON ddl_command_start WHEN TAG IN ('DROP TABLE', 'DROP VIEW') EXECUTE
  FUNCTION evt();
ALTER EVENT TRIGGER et DISABLE;
CREATE RULE r1 AS ON INSERT TO v20 DO INSTEAD INSERT INTO posts (author, title) VALUES (1,
  NEW."select") RETURNING title, 1;
CREATE RULE r2 AS ON UPDATE TO base WHERE OLD.a > 3 DO ALSO (UPDATE posts SET title = 'x' WHERE
  id = NEW.a; DELETE FROM posts USING users WHERE users.id = OLD.a);
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON users AS RESTRICTIVE FOR UPDATE TO app, reader USING (email = CURRENT_USER
  AND id IN (SELECT author FROM posts WHERE posts.author = users.id)) WITH CHECK (age > 1);
CREATE POLICY all_ ON users USING (true);
CREATE STATISTICS app.st (dependencies, mcv) ON age, status FROM users;
CREATE STATISTICS app.st2 ON (age + 1), lower(email) FROM users;
ALTER STATISTICS app.st SET STATISTICS 300;
CREATE PUBLICATION pub FOR TABLE users (id, email, age) WHERE (age > 1), posts WITH (publish =
  'insert, update');
CREATE PUBLICATION pub2 FOR TABLES IN SCHEMA app;
CREATE FOREIGN DATA WRAPPER fdw OPTIONS (a 'b');
CREATE SERVER srv TYPE 't' VERSION '1' FOREIGN DATA WRAPPER fdw OPTIONS (host 'h');
CREATE USER MAPPING FOR app SERVER srv OPTIONS (password 'secret');
CREATE USER MAPPING FOR PUBLIC SERVER srv;
CREATE FOREIGN TABLE ft (a int OPTIONS (x 'y') NOT NULL DEFAULT 3, CHECK (a > 0)) SERVER srv
  OPTIONS (t 'u');
ALTER TABLE users REPLICA IDENTITY FULL;
ALTER TABLE posts REPLICA IDENTITY USING INDEX posts_pkey;
ALTER TABLE posts CLUSTER ON posts_pkey;
ALTER TABLE users ALTER email SET STATISTICS 500, ALTER email SET STORAGE external, ALTER age
  SET (n_distinct = 5), ALTER j SET COMPRESSION pglz;
ALTER INDEX lower_email ALTER COLUMN 2 SET STATISTICS 100;
COMMENT ON TABLE users IS 'it''s';
COMMENT ON COLUMN users.email IS 'mail';
COMMENT ON VIEW v1 IS 'v'; COMMENT ON CONSTRAINT ratio ON users IS 'c'; COMMENT ON INDEX pat IS
  'i';
COMMENT ON FUNCTION plus(int, int) IS 'f'; COMMENT ON TYPE mood IS 'm'; COMMENT ON SCHEMA app IS
  's'; COMMENT ON COLUMN app.pair.a IS 'attr';
COMMENT ON DOMAIN app.positive IS 'd'; COMMENT ON CONSTRAINT small ON DOMAIN app.positive IS
  'dc'; COMMENT ON TRIGGER t1 ON users IS 't'; COMMENT ON POLICY own ON users IS 'p';
GRANT ALL ON ALL TABLES IN SCHEMA public TO reader;
GRANT SELECT (id, email), UPDATE (age) ON users TO app;
GRANT SELECT ON posts TO PUBLIC; GRANT INSERT ON posts TO app WITH GRANT OPTION;
GRANT USAGE ON SCHEMA app TO app; GRANT USAGE ON SEQUENCE app.s TO app;
REVOKE EXECUTE ON FUNCTION plus(int, int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION plus(int, int)
  TO app;
REVOKE USAGE ON TYPE mood FROM PUBLIC; GRANT USAGE ON TYPE mood TO app;
GRANT USAGE ON FOREIGN SERVER srv TO app; GRANT USAGE ON FOREIGN DATA WRAPPER fdw TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA app GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT ALL ON TABLES TO reader;
CREATE TABLE app.own (a int); ALTER SEQUENCE app.s OWNED BY app.own.a;
'''


class Versioned(Server):
    """A server of one version, with the extension that can be installed there."""

    def __init__(self, folder: Path, version: str) -> None:
        source = Binaries(version, DEBIAN) if version == "15" else binaries(version)
        self.bin = source.folder
        self._walks: dict[str, list[Snapshot]] = {}
        self.extension = "citext" if version == "15" else "vector"
        self._cluster = Cluster.place(folder, source)
        self._cluster.create()
        self._cluster.set_passwords({"postgres": PASSWORD, "app": PASSWORD})
        self._process, self.port = self._cluster.start()
        self.sql("CREATE ROLE reader")

    def empty(self, name: str, script: str = "", template: str = "template0") -> None:
        """Make a database anew."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self.sql(script, name)

    def snapshots(self, name: str, *scripts: str, user: str = "postgres") -> list[Snapshot]:
        """Return the catalog at the beginning and after each script, all in one session."""
        steps = [PREPARE, SNAPSHOT]
        steps += (f"{script};\n\\echo {MARK}\n{SNAPSHOT}" for script in scripts)
        done = subprocess.run(
            [self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"],
            input="".join(steps),
            env=self.variables(name, user),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers = done.stdout.split(f"{MARK}\n")
        for answer in answers:
            named = [line.rsplit(", ", 1)[0] for line in answer.splitlines()]
            assert len(named) >= len(set(named)), "a property is there twice"
        return [parse_snapshot(answer.splitlines()) for answer in answers]

    def walk(self, changes: list[tuple[str, str, str]]) -> list[Snapshot]:
        """Make every change and take it back, one after the other, once."""
        name = f"walk{len(changes)}"
        if name not in self._walks:
            self.empty(name, BASE)
            scripts = [script for _, do, undo in changes for script in (do, undo)]
            self._walks[name] = self.snapshots(name, *scripts)
        return self._walks[name]

    def restored(self, name: str, copy: str) -> None:
        """Dump a database, and restore it into an empty one."""
        dump = subprocess.run(
            [self.bin / "pg_dump", name],
            env=self.variables(name),
            capture_output=True,
            text=True,
            check=True,
        )
        self.empty(copy, dump.stdout)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Versioned]]:
    started: dict[str, Versioned] = {}

    def start(version: str) -> Versioned:
        if version not in started:
            folder = tmp_path_factory.mktemp(f"server{version}") / "postgres"
            started[version] = Versioned(folder, version)
            started[version].empty("base", BASE)
        return started[version]

    yield start
    for server in started.values():
        server.stop()


@pytest.fixture(params=VERSIONS)
def server(request: pytest.FixtureRequest, start: Callable[[str], Versioned]) -> Versioned:
    if request.param == "15" and not DEBIAN.exists():
        pytest.skip("PostgreSQL 15 of Debian is not installed")
    return start(request.param)


def shown(left: Snapshot, right: Snapshot) -> list[str]:
    return [describe(difference, "one", "the other") for difference in differences(left, right)]


def is_seen(expected: str, before: Snapshot, after: Snapshot) -> bool:
    """Whether what the case names differs, and is named as it says."""
    name, property_ = expected.rsplit(": ", 1)
    for key in changed_keys(before, after):
        if " ".join(key) == name:
            one, other = before.at(key), after.at(key)
            if property_ == "exists":
                return one is None or other is None
            return (one or {}).get(property_) != (other or {}).get(property_)
    return False


def check(expected: str, before: Snapshot, after: Snapshot, back: Snapshot) -> None:
    assert is_seen(expected, before, after), shown(before, after)
    assert shown(before, back) == []
    assert before == back


@pytest.mark.parametrize(
    "number",
    range(len(CHANGES)),
    ids=[f"{number}-{case[0]}" for number, case in enumerate(CHANGES)],
)
def test_every_change_is_seen(number: int, server: Versioned) -> None:
    check(CHANGES[number][0], *server.walk(CHANGES)[2 * number :][:3])


@pytest.mark.parametrize(
    "number",
    range(len(CHANGES_18)),
    ids=[f"{number}-{case[0]}" for number, case in enumerate(CHANGES_18)],
)
def test_what_only_18_has_is_seen(number: int, start: Callable[[str], Versioned]) -> None:
    check(CHANGES_18[number][0], *start("18").walk(CHANGES_18)[2 * number :][:3])


def test_every_kind_has_a_change() -> None:
    tried = {case[0] for case in [*CHANGES, *CHANGES_18]}
    # Each branch of the query names its kind first; extensions and labels have tests of their own.
    kinds = set(re.findall(r"(?m)^(?:UNION ALL )?SELECT '([a-z ]+)'", catalog_query()))
    assert len(kinds) > 40
    untried = {kind for kind in kinds if not any(case.startswith(f"{kind} ") for case in tried)}
    assert untried == {"extension", "security label"}


def test_security_labels_are_seen(server: Versioned) -> None:
    # No provider is installed, so the rows are written by hand.
    row = "SET allow_system_table_mods = on; INSERT INTO pg_seclabel VALUES ('users'::regclass, "
    take = "DELETE FROM pg_seclabel"
    name = "'pg_class'::regclass"
    table = f"{row}{name}, 0, 'mac', 'secret')"
    column = f"{row}{name}, 2, 'mac', 'secret')"
    for expected, give in [("table public.users", table), ("column public.users.email", column)]:
        check(f"security label {expected}: mac", *server.snapshots("base", give, take))


def test_tablespaces_are_seen(server: Versioned) -> None:
    server.sql("SET allow_in_place_tablespaces = on; CREATE TABLESPACE fast LOCATION ''")
    moved = {"table public.users": "TABLE users", "index public.posts.title": "INDEX title"}
    for expected, what in moved.items():
        move = f"ALTER {what} SET TABLESPACE"
        snapshots = server.snapshots("base", f"{move} fast", f"{move} pg_default")
        check(f"{expected}: tablespace", *snapshots)
    server.sql("DROP TABLESPACE fast")


@pytest.mark.host
def test_collations_of_icu_are_seen(start: Callable[[str], Versioned]) -> None:
    def icu(more: str) -> str:
        return f"DROP COLLATION app.c; CREATE COLLATION app.c (provider = icu, locale = 'de'{more})"

    libc = "DROP COLLATION app.c; CREATE COLLATION app.c (locale = 'C')"
    before, german, vague, back = start("15").snapshots(
        "base", icu(""), icu(", deterministic = false"), libc
    )
    assert is_seen("collation app.c: locale", before, german)
    assert is_seen("collation app.c: provider", before, german)
    assert is_seen("collation app.c: deterministic", german, vague)
    assert back == before


def test_a_comment_is_seen_on_every_kind_that_can_have_one(server: Versioned) -> None:
    sides = [f"COMMENT ON {what} IS 'x'" for what in COMMENTED.values()]
    before, after = server.snapshots("base", ";\n".join(sides))
    server.sql(";\n".join(f"COMMENT ON {what} IS NULL" for what in COMMENTED.values()), "base")
    assert changed_keys(before, after) == {("comment", seen) for seen in COMMENTED}


def test_extensions_are_listed_without_their_members(server: Versioned) -> None:
    name = server.extension
    before, after, moved, back = server.snapshots(
        "base",
        f"CREATE EXTENSION {name} SCHEMA app",
        f"ALTER EXTENSION {name} SET SCHEMA public",
        f"DROP EXTENSION {name}",
    )
    assert changed_keys(before, after) == {("extension", name), ("comment", f"extension {name}")}
    assert changed_keys(after, moved) == {("extension", name)}
    properties = after.at(("extension", name))
    assert properties is not None
    assert properties["schema"] == "app"
    assert properties["version"]
    assert before == back


@pytest.mark.parametrize("schema", ["public", "app"])
def test_the_ledger_is_left_out(schema: str, server: Versioned) -> None:
    ledger = f"{schema}._prisma_migrations"
    before, after, back = server.snapshots(
        "base",
        f"CREATE TABLE {ledger} (id text PRIMARY KEY, n serial, logs text CHECK (logs <> ''));"
        f"CREATE INDEX ledger_logs ON {ledger} (logs); COMMENT ON TABLE {ledger} IS 'x';"
        f"COMMENT ON COLUMN {ledger}.id IS 'x'; GRANT SELECT ON {ledger} TO app;"
        f"GRANT UPDATE (id) ON {ledger} TO app; COMMENT ON INDEX {schema}.ledger_logs IS 'x';"
        f"ALTER TABLE {ledger} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {ledger};"
        f"CREATE TRIGGER t BEFORE INSERT ON {ledger} EXECUTE FUNCTION tg();"
        f"CREATE STATISTICS ledger ON id, logs FROM {ledger};"
        f"ALTER PUBLICATION pub ADD TABLE {ledger}",
        f"DROP TABLE {ledger}",
    )
    assert shown(before, after) == []
    assert before == back
    _, like = server.snapshots("base", "CREATE VIEW app._prisma_migrations AS SELECT 1 AS one")
    server.sql("DROP VIEW app._prisma_migrations", "base")
    assert like.at(("view", "app._prisma_migrations")), "only a table is the ledger"


def test_temporary_objects_are_left_out(server: Versioned) -> None:
    before, after = server.snapshots("base", "CREATE TEMP TABLE x (id serial PRIMARY KEY)")
    assert shown(before, after) == []


def test_a_role_without_rights_sees_the_same(server: Versioned) -> None:
    server.empty("nasty", NASTY)
    [ours] = server.snapshots("nasty")
    [theirs] = server.snapshots("nasty", user="app")
    assert shown(ours, theirs) == []
    assert ours == theirs


def test_passwords_are_not_in_it(server: Versioned) -> None:
    server.empty("nasty", NASTY)
    [snapshot] = server.snapshots("nasty")
    assert "secret" in NASTY
    assert "secret" not in repr(snapshot)


def test_a_restored_dump_is_equal(server: Versioned) -> None:
    server.empty("nasty", NASTY)
    server.restored("nasty", "copy")
    server.restored("copy", "copy of the copy")
    [original] = server.snapshots("nasty")
    for name in ("copy", "copy of the copy"):
        [copy] = server.snapshots(name)
        assert shown(original, copy) == []
        assert copy == original


def test_the_versions_agree(server: Versioned, start: Callable[[str], Versioned]) -> None:
    newest = start("18")
    for script in (BASE, NASTY):
        server.empty("mine", script)
        newest.empty("theirs", script)
        [mine] = server.snapshots("mine")
        [theirs] = newest.snapshots("theirs")
        assert shown(mine, theirs) == []
        assert mine == theirs


def test_the_order_in_which_things_are_made_does_not_matter(server: Versioned) -> None:
    columns = [f"ADD c{number} int NOT NULL DEFAULT {number}" for number in range(4)]
    statements = [
        *(f"ALTER TABLE t {column}" for column in columns),
        "CREATE TABLE a (id serial PRIMARY KEY)",
        "CREATE TYPE e AS ENUM ('x', 'y')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX i ON t (id)",
        "CREATE SCHEMA s",
        "GRANT SELECT ON t TO app",
        "GRANT UPDATE ON t TO reader",
        "COMMENT ON TABLE t IS 'x'",
        "CREATE POLICY p ON t TO app, reader",
        "CREATE STATISTICS st ON id, x FROM t",
        "ALTER TABLE t SET (fillfactor = 50)",
        "ALTER TABLE t SET (autovacuum_enabled = off)",
    ]
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(statements)
        server.empty("order", f"CREATE TABLE t (id int, x int);{';'.join(statements)}")
        found += server.snapshots("order")
    assert shown(found[0], found[1]) == []
    assert found[0] == found[1] == found[2]


def test_a_rewritten_and_dropped_past_leaves_no_trace(server: Versioned) -> None:
    before, after = server.snapshots(
        "base",
        "ALTER TABLE posts DROP title; ALTER TABLE posts ADD title text; "
        "CREATE INDEX title ON posts (title); VACUUM FULL posts; REINDEX TABLE users; ANALYZE; "
        "CREATE TABLE gone (); DROP TABLE gone",
    )
    assert shown(before, after) == []


def test_every_relation_that_is_named_is_one(server: Versioned) -> None:
    server.empty("nasty", NASTY)
    [snapshot] = server.snapshots("nasty")
    kinds = {"table", "view", "materialized view", "foreign table", "sequence", "composite type"}
    relations = {id_ for kind, id_ in snapshot.objects if kind in kinds}
    hanging = {"column", "attribute", "constraint", "index", "trigger", "policy", "rule"}
    for key in snapshot.objects:
        relation = relation_of(key)
        assert relation is None or relation in relations, key
        assert relation is not None or key[0] not in hanging | kinds, key
    odd = '"Odd schema.""x"""."Tab le.""1"""'
    assert relation_of(("column", f'{odd}."Co l.""1"""')) == odd


def test_a_difference_that_the_server_tells_makes_the_same_snapshot(server: Versioned) -> None:
    server.empty("told", BASE)
    before, after = server.snapshots(
        "told", "ALTER TABLE users ADD extra int DEFAULT 1, DROP email CASCADE; DROP TABLE posts"
    )

    def rows(snapshot: Snapshot) -> set[tuple[str, str, str, str]]:
        objects = snapshot.objects.items()
        return {(*key, name, value) for key, found in objects for name, value in found.items()}

    removed, added = rows(before) - rows(after), rows(after) - rows(before)
    assert before.changed(removed, added) == after
    assert after.changed(added, removed) == before
