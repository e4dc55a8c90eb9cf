"""What the rest of a script would miss in a session of its own."""

from __future__ import annotations

import pytest

from ops.proof.session import lost_with_session
from ops.proof.statements import rungs, statements


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("SET TIME ZONE 'Asia/Kolkata'", "line 1: SET TIME"),
        ("SELECT 1;\nSET search_path TO other, public", "line 2: SET SEARCH_PATH"),
        ("SET/* who */ROLE owner", "SET ROLE"),
        ("SET SESSION AUTHORIZATION owner", "SET AUTHORIZATION"),
        ("SET session datestyle = 'DMY'", "SET DATESTYLE"),
        ('SET "search_path" = a', "SET went"),
        ("RESET ALL", "RESET ALL"),
        ("DISCARD TEMP", "DISCARD"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("SELECT pg_catalog.set_config('search_path', '', false)", "set_config"),
        ("BEGIN; SET TIME ZONE 'UTC'; COMMIT", "SET TIME"),
        ("CREATE TEMP TABLE keep AS SELECT 1", "a temporary object"),
        ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1", "a temporary object"),
        ("CREATE LOCAL TEMPORARY TABLE keep (id int)", "a temporary object"),
        ("DO $$ BEGIN SET search_path TO x; END $$", "SET SEARCH_PATH"),
        ("DO $$ BEGIN EXECUTE 'SET TIME ZONE 0'; END $$", "SET TIME"),
        ("SELECT 1 AS a INTO TEMP keep", "TEMP"),
        ("CALL refresh()", "what it calls may have set"),
    ],
)
def test_it_is_named(script: str, found: str) -> None:
    assert found in lost_with_session(rungs(statements(script)))


@pytest.mark.parametrize(
    "script",
    [
        "",
        "SET lock_timeout = '5s'",
        "SET SESSION statement_timeout TO 0",
        "RESET lock_timeout",
        "BEGIN; SET LOCAL search_path = a; COMMIT",
        "BEGIN; SET CONSTRAINTS ALL DEFERRED; COMMIT",
        "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; COMMIT",
        "PREPARE TRANSACTION 'x'",
        "UPDATE t SET zone = 'SET TIME ZONE'",
        "CREATE TABLE temp (id int)",
        "DO $$ BEGIN UPDATE t SET a = 1; END $$",
        "DO $$ BEGIN IF true THEN SET LOCAL search_path = a; END IF; END $$",
        "WITH u AS (UPDATE t SET a = 1 RETURNING a) SELECT a FROM u",
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
    ],
)
def test_it_holds_for_the_rest_too(script: str) -> None:
    assert lost_with_session(rungs(statements(script))) == ""
