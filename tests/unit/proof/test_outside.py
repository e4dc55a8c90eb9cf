"""What reaches outside a database is named with its line; what stays inside raises no alarm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.proof.outside import Outside, reaches_outside

HARMLESS = [
    "",
    "-- CREATE ROLE a;\n/* DROP DATABASE b; dblink() */ SELECT 1;",
    'CREATE TABLE "role" ("user" text, "group" int, "database" int);',
    'ALTER TABLE "database" ADD COLUMN "tablespace" TEXT;',
    "CREATE TABLE a (role text NOT NULL DEFAULT 'user', database text, system text);",
    "ALTER TABLE a ALTER role SET DEFAULT 'app', ADD language varchar(2);",
    "ALTER TABLE a OWNER TO b;",
    "ALTER TABLE a SET SCHEMA b; ALTER TABLE a SET (fillfactor = 70);",
    "UPDATE users SET role = 'admin' WHERE role = 'user';",
    "UPDATE users SET session_authorization = 'x';",
    "INSERT INTO \"User\" (role) VALUES ('create user'), ('CREATE ROLE x;');",
    "INSERT INTO \"Action\" VALUES ('Drop database now'), ('Alter system of things');",
    "INSERT INTO posts VALUES ('How to use dblink in PostgreSQL');",
    'GRANT SELECT ON "User" TO app;',
    'GRANT SELECT ("a", b), UPDATE ON TABLE "database" TO app, "on" WITH GRANT OPTION;',
    "GRANT SELECT ON database TO app; REVOKE SELECT ON database FROM app;",
    "GRANT USAGE ON SCHEMA public TO app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app;",
    "REVOKE GRANT OPTION FOR SELECT ON a FROM b; REVOKE ALL ON FUNCTION f() FROM PUBLIC;",
    "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA b GRANT SELECT ON TABLES TO c;",
    "CREATE USER MAPPING IF NOT EXISTS FOR a SERVER b; DROP USER MAPPING FOR a SERVER b;",
    "ALTER USER MAPPING FOR a SERVER b OPTIONS (SET user 'c');",
    "COMMENT ON TABLE a IS 'CREATE ROLE x'; COMMENT ON COLUMN a.role IS 'the role';",
    "COMMENT ON COLUMN database.role IS 'x';",
    "SECURITY LABEL FOR x ON TABLE a IS 'y';",
    "SET search_path = public; SET LOCAL lock_timeout = '5s'; SET SESSION work_mem = '5MB';",
    (
        "SET TIME ZONE 'UTC'; SET TRANSACTION READ ONLY; SET SESSION CHARACTERISTICS AS "
        "TRANSACTION READ ONLY; RESET search_path; RESET ALL; SET; DISCARD TEMP;"
    ),
    "SELECT set_config('app.role', 'x', false), set_config('search_path', '', false);",
    "SELECT pg_notify('a', 'b'); NOTIFY a, 'CREATE ROLE x'; LISTEN a;",
    "SELECT pg_advisory_lock(1), pg_catalog.setval('s', 1), pg_get_serial_sequence('a', 'b');",
    "SELECT pg_backend_pid(), lo_create(1), lo_from_bytea(0, ''), current_database();",
    'CREATE EXTENSION IF NOT EXISTS "uuid-ossp"; CREATE EXTENSION citext WITH SCHEMA c;',
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    (
        "CREATE FUNCTION f(c text) RETURNS trigger AS $$ BEGIN NEW.role := c; RETURN NEW; END $$ "
        "LANGUAGE plpgsql SET search_path = public;"
    ),
    "CREATE FUNCTION f() RETURNS text LANGUAGE plperl AS $$ return 'create'; $$;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC UPDATE u SET role = 'x'; SELECT 1; END;",
    (
        "DO $$ BEGIN\n  ALTER TABLE a ADD CONSTRAINT b FOREIGN KEY (c) REFERENCES d;\n"
        "EXCEPTION WHEN duplicate_object THEN null; -- CREATE ROLE\nEND $$;"
    ),
    (
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN "
        "RAISE EXCEPTION 'create role app first'; END IF; END $$;"
    ),
    "DO $$ BEGIN UPDATE u SET role = 'x'; EXECUTE 'UPDATE u SET role = 1'; END $$;",
    "DO $$ DECLARE load int := 1; checkpoint int; BEGIN load := 2; checkpoint := now(); END $$;",
    "DO $$ BEGIN IF x = 'drop user' THEN RETURN; END IF; y := 'Create user'; END $$;",
    "DO $$ BEGIN EXECUTE format('GRANT SELECT ON %I TO %I', a, b); END $$;",
    "DO $$ BEGIN EXECUTE 'ALTER TABLE a ADD b int'; /* dblink_exec() */ END $$;",
    "SELECT 'create user' AS action, 'Drop database' AS other;",
    "CREATE POLICY p ON a USING (role = current_setting('role') AND b <> 'create user x');",
    "CREATE TYPE role AS ENUM ('USER', 'SET ROLE x'); ALTER TYPE role ADD VALUE 'DROP USER x';",
    "CREATE VIEW v AS SELECT * FROM pg_roles, pg_database; COPY a TO STDOUT;",
    "COPY a FROM STDIN",
    "VACUUM a; ANALYZE; REINDEX TABLE a; CLUSTER a;",
    "CREATE PUBLICATION p FOR ALL TABLES; DROP SERVER s; DROP FOREIGN TABLE t;",
    'CREATE TABLE net (http_get int, "lo_export" int, http int, "dblink" text);',
    'CREATE TABLE "cron"."Job" (id int); SELECT cron.next(), "a"."schedule" FROM "cron".b;',
    "CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();",
    'UPDATE "Database" SET a = 1; UPDATE app.pg_database SET a = 1;',
    "DELETE FROM ONLY a; INSERT INTO role VALUES (1); TRUNCATE TABLE system;",
    "SELECT E'it\\'s \\\\connect', '\\connect', $$\\i x$$;",
    "SELECT U&'\\0041', B'1', X'f', E'\\x41', '' , $$$$, 'a' 'b';",
    "SELECT $a$",
    "CREATE LANGUAGE plpgsql; CREATE OR REPLACE TRUSTED LANGUAGE plperl; CREATE EXTENSION",
    "PREPARE p AS SELECT 1; EXECUTE p(1); LOAD; GRANT SELECT ON",
]


@pytest.mark.parametrize("script", HARMLESS)
def test_what_stays_inside_is_harmless(script: str) -> None:
    assert reaches_outside(script) == ()


HARMFUL = [
    ("CREATE ROLE a", "CREATE ROLE"),
    ("create\tuser a password 'x'", "CREATE USER"),
    ("CREATE/**/GROUP a", "CREATE GROUP"),
    ('CREATE USER "mapping"', "CREATE USER"),
    ("DROP USER mapping", "DROP USER"),
    ("\ufeffALTER ROLE a SET work_mem = '5MB'", "ALTER ROLE"),
    ("ALTER USER a WITH SUPERUSER", "ALTER USER"),
    ("ALTER GROUP a ADD USER b", "ALTER GROUP"),
    ("DROP ROLE IF EXISTS a", "DROP ROLE"),
    ("GRANT a TO b", "GRANT ROLE"),
    ('GRANT "on", a TO "b" WITH ADMIN OPTION', "GRANT ROLE"),
    ("REVOKE a FROM b", "REVOKE ROLE"),
    ("REVOKE ADMIN OPTION FOR a FROM b CASCADE", "REVOKE ROLE"),
    ("REASSIGN OWNED BY a TO b", "REASSIGN OWNED"),
    ("DROP OWNED BY a", "DROP OWNED"),
    ("CREATE DATABASE a", "CREATE DATABASE"),
    ("ALTER DATABASE a SET x = 1", "ALTER DATABASE"),
    ("DROP DATABASE a", "DROP DATABASE"),
    ("GRANT CONNECT ON DATABASE a TO b", "GRANT ON DATABASE"),
    ('REVOKE ALL ON DATABASE "a" FROM PUBLIC', "REVOKE ON DATABASE"),
    ("GRANT CREATE ON TABLESPACE a TO b", "GRANT ON TABLESPACE"),
    ("GRANT SET ON PARAMETER work_mem TO b", "GRANT ON PARAMETER"),
    ("COMMENT ON DATABASE a IS 'x'", "COMMENT ON DATABASE"),
    ("COMMENT ON ROLE a IS 'x'", "COMMENT ON ROLE"),
    ("COMMENT ON TABLESPACE a IS 'x'", "COMMENT ON TABLESPACE"),
    ("SECURITY LABEL FOR x ON ROLE a IS 'y'", "SECURITY LABEL ON ROLE"),
    ("SECURITY LABEL ON DATABASE a IS 'y'", "SECURITY LABEL ON DATABASE"),
    ("ALTER SYSTEM SET a = 1", "ALTER SYSTEM"),
    ("CREATE TABLESPACE a LOCATION 'x'", "CREATE TABLESPACE"),
    ("DROP TABLESPACE a", "DROP TABLESPACE"),
    ("CREATE SUBSCRIPTION a CONNECTION 'x' PUBLICATION y", "CREATE SUBSCRIPTION"),
    ("ALTER SUBSCRIPTION a DISABLE", "ALTER SUBSCRIPTION"),
    ("DROP SUBSCRIPTION a", "DROP SUBSCRIPTION"),
    ("COPY a FROM PROGRAM 'x'", "COPY FROM PROGRAM"),
    ("COPY (SELECT 1 FROM stdin) TO PROGRAM 'x'", "COPY TO PROGRAM"),
    ("COPY a TO '/tmp/x'", "COPY TO FILE"),
    ("COPY a (b) FROM E'/tmp/x' CSV", "COPY FROM FILE"),
    ("COPY a FROM $$/tmp/x$$", "COPY FROM FILE"),
    ("LOAD 'x'", "LOAD"),
    ("CHECKPOINT", "CHECKPOINT"),
    ("\\connect other", "\\connect"),
    ("SELECT 1 \\gexec", "\\gexec"),
    ("SET ROLE a", "SET ROLE"),
    ("SET LOCAL ROLE a", "SET ROLE"),
    ("SET SESSION ROLE NONE", "SET ROLE"),
    ("SET role = a", "SET ROLE"),
    ('SET "role" TO a', "SET ROLE"),
    ("RESET ROLE", "SET ROLE"),
    ("SET SESSION AUTHORIZATION a", "SET SESSION AUTHORIZATION"),
    ("SET LOCAL SESSION AUTHORIZATION DEFAULT", "SET SESSION AUTHORIZATION"),
    ("RESET SESSION AUTHORIZATION", "SET SESSION AUTHORIZATION"),
    ("SET session_authorization = a", "SET SESSION AUTHORIZATION"),
    ("SELECT set_config('ROLE', 'a', false)", "SET ROLE"),
    ("CREATE FUNCTION f() RETURNS int SET role = a AS 'SELECT 1' LANGUAGE sql", "SET ROLE"),
    ("ALTER FUNCTION f() SET role TO a", "SET ROLE"),
    ("DISCARD ALL", "DISCARD ALL"),
    ("SELECT dblink_exec('x', 'y')", "dblink_exec"),
    ("SELECT * FROM \"dblink\"('x') AS (a int)", "dblink"),
    ("CREATE EXTENSION dblink", "dblink"),
    ("CREATE EXTENSION IF NOT EXISTS postgres_fdw", "postgres_fdw"),
    ("CREATE AGGREGATE a (text) (SFUNC = DBLINK_EXEC, STYPE = text)", "dblink_exec"),
    ("CREATE SERVER s FOREIGN DATA WRAPPER w", "CREATE SERVER"),
    ("CREATE FOREIGN TABLE t (a int) SERVER s", "CREATE FOREIGN TABLE"),
    ("IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c", "IMPORT FOREIGN SCHEMA"),
    ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "pg_terminate_backend"),
    ("SELECT pg_catalog.pg_cancel_backend (1)", "pg_cancel_backend"),
    ("SELECT pg_reload_conf()", "pg_reload_conf"),
    ("SELECT pg_switch_wal()", "pg_switch_wal"),
    ("SELECT pg_create_logical_replication_slot('a', 'b')", "pg_create_logical_replication_slot"),
    ("SELECT pg_drop_replication_slot('a')", "pg_drop_replication_slot"),
    ("SELECT pg_logical_emit_message(true, 'a', 'b')", "pg_logical_emit_message"),
    ("SELECT pg_replication_origin_create('a')", "pg_replication_origin_create"),
    ("SELECT lo_export(1, '/tmp/x')", "lo_export"),
    ("SELECT lo_import('/tmp/x')", "lo_import"),
    ("SELECT pg_read_file('x')", "pg_read_file"),
    ("SELECT pg_read_binary_file('x')", "pg_read_binary_file"),
    ("SELECT pg_file_write('a', 'b', false)", "pg_file_write"),
    ("SELECT pg_ls_dir('x')", "pg_ls_dir"),
    ("SELECT pg_background_launch('x')", "pg_background_launch"),
    ("SELECT run_command_on_workers('x')", "run_command_on_workers"),
    ("SELECT content FROM http_get('x')", "http_get"),
    ("SELECT net.http_post(url := 'x')", "http_post"),
    ("SELECT * FROM http(('GET', 'x', NULL, NULL, NULL)::http_request)", "http"),
    ("SELECT cron.schedule('a', 'b', 'c')", "cron.schedule"),
    ('INSERT INTO "cron"."job" (a) VALUES (1)', "cron.job"),
    ("SELECT aws_s3.query_export_to_s3('x')", "aws_s3.query_export_to_s3"),
    ("CREATE FUNCTION f() RETURNS int AS 'x', 'y' LANGUAGE C STRICT", "LANGUAGE C"),
    ("CREATE OR REPLACE FUNCTION f() RETURNS int AS $$x$$ LANGUAGE 'plperlu'", "LANGUAGE PLPERLU"),
    ("CREATE PROCEDURE f() LANGUAGE \"plsh\" AS 'x'", "LANGUAGE PLSH"),
    ("DO LANGUAGE plpython3u $$ x $$", "LANGUAGE PLPYTHON3U"),
    ("DO $$ x $$ LANGUAGE plpythonu", "LANGUAGE PLPYTHONU"),
    ("CREATE EXTENSION IF NOT EXISTS plpython3u", "LANGUAGE PLPYTHON3U"),
    ("CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE plperlu", "LANGUAGE PLPERLU"),
    ("UPDATE pg_catalog.pg_database SET datallowconn = false", "UPDATE pg_database"),
    ("DELETE FROM ONLY pg_db_role_setting", "DELETE pg_db_role_setting"),
    # In bodies and in texts.
    ("DO $$ BEGIN CREATE ROLE a; END $$", "CREATE ROLE"),
    ("DO $$ BEGIN IF x THEN DROP OWNED BY a; END IF; END $$", "DROP OWNED"),
    ("DO $$ BEGIN LOOP SET ROLE a; END LOOP; END $$", "SET ROLE"),
    ("DO 'BEGIN CREATE ROLE a; END'", "CREATE ROLE"),
    ("DO E'BEGIN\\n x := \\'y\\'; CREATE ROLE a; END'", "CREATE ROLE"),
    ("DO E'BEGIN x := ''--''; CREATE ROLE a; END'", "CREATE ROLE"),
    ("DO $a$ BEGIN EXECUTE 'CREATE ROLE a'; END $a$", "CREATE ROLE"),
    ("DO $a$ BEGIN EXECUTE $b$ALTER ROLE $b$ || x; END $a$", "ALTER ROLE"),
    ("DO $a$ BEGIN y := 'DROP ROLE ' || x; EXECUTE y; END $a$", "DROP ROLE"),
    ("DO $$ BEGIN EXECUTE 'DROP DATABASE' || x; END $$", "DROP DATABASE"),
    ("DO $$ BEGIN EXECUTE format('GRANT %I TO %I', a, b); END $$", "GRANT ROLE"),
    ("DO $$ BEGIN EXECUTE format('GRANT ALL ON DATABASE %I TO x', a); END $$", "GRANT ON DATABASE"),
    ("DO $$ BEGIN EXECUTE format('COPY a TO %L', b); END $$", "COPY TO FILE"),
    ("DO 'BEGIN EXECUTE ''CREATE ROLE a''; END'", "CREATE ROLE"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT dblink('x') $$", "dblink"),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT dblink('x'); END", "dblink"),
    (
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT lo_import('x'); END",
        "lo_import",
    ),
    (
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM net.http_post('x'); RETURN NEW; END $$"
        ),
        "http_post",
    ),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plv8 AS $$ '/*'; x('create  role a') $$",
        "CREATE ROLE",
    ),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE plperl AS $$ '--'; dblink ('a') $$", "dblink"),
    ("DO $$ BEGIN EXECUTE $q$ DO $p$ BEGIN CREATE ROLE a; END $p$ $q$; END $$", "CREATE ROLE"),
    ("SELECT run('CREATE ROLE a')", "CREATE ROLE"),
    ("INSERT INTO jobs VALUES ('SELECT DBLINK_EXEC (1)')", "dblink_exec"),
    ("SELECT 'never closed; dblink('", "dblink"),
]


@pytest.mark.parametrize(("statement", "what"), HARMFUL)
def test_what_reaches_outside_is_named_with_its_line(statement: str, what: str) -> None:
    script = f"-- a\r\nSELECT ';\n';\n\n/* b\n */ {statement};\n"
    assert reaches_outside(statement) == (Outside(what, 1),)
    if "never closed" not in statement:
        assert reaches_outside(script) == (Outside(what, 6),)


def test_lines_are_those_of_the_words_in_a_body() -> None:
    script = (
        "SELECT 1;\nDO $$\nBEGIN\n  -- CREATE ROLE x\n  CREATE ROLE a;\n"
        "  EXECUTE '\n    DROP ROLE a';\n  PERFORM dblink('x'),\n    dblink('y'), dblink('z');\n"
        "END $$;\n\nDROP\nROLE b;\n"
    )
    assert reaches_outside(script) == (
        Outside("CREATE ROLE", 5),
        Outside("DROP ROLE", 7),
        Outside("dblink", 8),
        Outside("dblink", 9),
        Outside("DROP ROLE", 12),
    )


def test_texts_in_texts_have_a_bottom() -> None:
    script = "CREATE ROLE a; SELECT dblink()"
    for depth in range(200):
        script = f"DO $q{depth}$ BEGIN EXECUTE {script}; END $q{depth}$"
    assert Outside("dblink", 1) in reaches_outside(script)


@given(st.text("$'\"\\;()-/*\nE ab", max_size=40), st.booleans())
def test_whatever_comes_before_a_statement_of_its_own_hides_nothing(
    text: str, in_body: bool
) -> None:
    before = "SELECT '" + text.replace("'", "''") + "'"
    script = f"{before}; CREATE ROLE a;"
    if in_body:
        script = f"DO $body$ BEGIN {script} END $body$;"
    assert "CREATE ROLE" in {found.what for found in reaches_outside(script)}


@given(st.text("$'\"\\;()-/*\nEU&ab.", max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    reaches_outside(text)
    reaches_outside(f"DO {text}")
