"""Whether a statement may be run a second time, by its text alone.

Harmless ones are still tried on a copy; a harmful one that is let through here may come to rest on
the copy's rows all the same, and change production's twice.
"""

from __future__ import annotations

import pytest

from ops.proof.rows import _feeds_itself, is_plain_data, never_twice
from ops.proof.statements import rungs, statements


def why(script: str) -> str:
    return never_twice(rungs(statements(script)))


@pytest.mark.parametrize(
    "script",
    [
        "UPDATE t SET a = 1",
        "UPDATE t SET a = 1 WHERE a IS NULL",
        "UPDATE t SET a = 'it''s; a = a' WHERE a = 'b'",
        "UPDATE t SET a = b, c = d || '-' || e",
        "UPDATE t SET (a, b) = (c, d)",
        "UPDATE t SET (a, b) = (SELECT x, y FROM o WHERE o.id = t.id)",
        "UPDATE ONLY s.t AS x SET a = o.n FROM o WHERE o.id = x.id AND a IS NULL",
        "UPDATE t SET a = o.n FROM o WHERE o.t IN (SELECT id FROM o) RETURNING b",
        'UPDATE "T" SET "A" = "a"',
        "UPDATE t SET a = DEFAULT",
        "UPDATE t SET a = 1 -- a = a",
        "UPDATE t SET a = extract(year FROM b)",
        "UPDATE t SET a = lower(ab), b_a = ba",
        "UPDATE t SET a = 'now we know'",
        "INSERT INTO t VALUES (1, 'a') ON CONFLICT DO NOTHING",
        "INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = 2",
        "INSERT INTO t (a, b) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b",
        'INSERT INTO t (a, "B") VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET "B" = excluded."B"',
        "DELETE FROM t WHERE a = 1",
        "DELETE FROM t USING o WHERE o.id = t.id",
        "BEGIN; UPDATE t SET a = 1; COMMIT",
        "UPDATE t SET a = 1; UPDATE t SET b = 2",
        "UPDATE t SET a = 1; UPDATE u SET a = 2",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; INSERT INTO t VALUES (2)",
        "ALTER TABLE t ADD a int",
        "",
    ],
)
def test_harmless_by_its_text(script: str) -> None:
    assert why(script) == ""


@pytest.mark.parametrize(
    ("script", "because"),
    [
        ("UPDATE t SET a = a + 1", "sets a from itself"),
        ("UPDATE t SET A = a || 'x'", "sets a from itself"),
        ('UPDATE t SET "A" = "A" + 1', "sets A from itself"),
        ('UPDATE t SET a = "a" + 1', "sets a from itself"),
        ("UPDATE t AS x SET a = x.a * 2 WHERE x.a < 2", "sets a from itself"),
        ("UPDATE t SET a = b, b = a", "sets a from itself"),
        ("UPDATE t SET a = 1, b = c + a", "sets a from itself"),
        ("UPDATE t SET (a, b) = (b, a)", "sets a from itself"),
        ("UPDATE t SET (a, b) = ROW (1, a)", "sets a from itself"),
        ("UPDATE t SET a = extract(year FROM a)", "sets a from itself"),
        ("UPDATE t SET a = 1 + (SELECT 0 FROM o) + a", "sets a from itself"),
        ("UPDATE t SET a = (SELECT count(*) FROM t o WHERE o.a IS NULL)", "sets a from itself"),
        ("UPDATE t SET a /* x */ = -- y\n a + 1", "sets a from itself"),
        ("UPDATE t SET a = (SELECT 'x)') || a", "sets a from itself"),
        ("UPDATE t SET j = jsonb_set(j, '{a}', '1')", "sets j from itself"),
        ("UPDATE t SET a = b IS DISTINCT FROM a", "sets a from itself"),
        ("UPDATE t SET x[1] = x[2]", "sets x from itself"),
        (
            "UPDATE t SET a = 1 WHERE id = (SELECT min(id) FROM t WHERE a IS NULL)",
            "chooses its rows by a query of the same table",
        ),
        (
            "UPDATE t SET a = 1 FROM (SELECT min(id) AS i FROM t WHERE a IS NULL) x WHERE id = i",
            "chooses its rows by a query of the same table",
        ),
        (
            "UPDATE t SET b = ' from where ''' WHERE id = (SELECT min(id) FROM t WHERE b IS NULL)",
            "chooses its rows by a query of the same table",
        ),
        (
            "INSERT INTO t VALUES (1, 1) ON CONFLICT (a) DO UPDATE SET n = t.n + 1",
            "INSERT sets n from itself",
        ),
        (
            "INSERT INTO t VALUES (1, 1) ON CONFLICT (a) DO UPDATE SET n = t.n + EXCLUDED.n",
            "INSERT sets n from itself",
        ),
        ("DELETE FROM t WHERE id IN (SELECT min(id) FROM t)", "chooses its rows by a query"),
        ("DELETE FROM t WHERE id = (/* */ select 1)", "chooses its rows by a query"),
        ("UPDATE t SET a = now()", "holds now, which is another thing each time"),
        ("UPDATE t SET a = NOW ( )", "another thing each time"),
        ("UPDATE t SET a = clock_timestamp()", "another thing each time"),
        ("UPDATE t SET a = CURRENT_TIMESTAMP", "another thing each time"),
        ("UPDATE t SET a = current_date", "another thing each time"),
        ("UPDATE t SET a = LOCALTIMESTAMP", "another thing each time"),
        ("UPDATE t SET a = 'now'", "another thing each time"),
        ("UPDATE t SET a = ' Today '::date", "another thing each time"),
        ("UPDATE t SET a = gen_random_uuid()", "another thing each time"),
        ("UPDATE t SET a = uuid_generate_v4()", "another thing each time"),
        ("UPDATE t SET a = uuidv7()", "another thing each time"),
        ("UPDATE t SET a = random()", "another thing each time"),
        ("INSERT INTO t VALUES (nextval('s'))", "another thing each time"),
        ("SELECT setval('s', 5)", "another thing each time"),
        ("SELECT pg_catalog.setval('s', 5)", "another thing each time"),
        # Two that are each harmless
        ("UPDATE t SET name = mail;\nUPDATE t SET mail = ''", "line 1: UPDATE reads what line 2"),
        ("UPDATE t SET a = 1 WHERE b = 1;\nUPDATE t SET b = 2", "line 1: UPDATE reads what line 2"),
        ("UPDATE u SET n = t.a FROM t;\nUPDATE s.t SET a = 0", "line 1: UPDATE reads what line 2"),
        ('UPDATE u SET n = 1 FROM "t";\nDELETE FROM ONLY t', "line 1: UPDATE reads what line 2"),
        ("INSERT INTO u SELECT * FROM t;\nDELETE FROM t", "line 1: INSERT reads what line 2"),
        ("DELETE FROM t WHERE id = 1;\nINSERT INTO t VALUES (1)", "line 2: INSERT reads what"),
        ("INSERT INTO t VALUES (1);\nINSERT INTO u SELECT * FROM t", "line 2: INSERT reads what"),
        ("BEGIN;\nUPDATE t SET a = b;\nUPDATE t SET b = 1;\nCOMMIT", "line 2: UPDATE reads what"),
    ],
)
def test_harmful(script: str, because: str) -> None:
    assert because in why(script)


def test_the_line_is_that_of_the_statement() -> None:
    assert why("-- One\nUPDATE t SET a = 1;\n\n\nUPDATE t SET c = c") == (
        "line 5: UPDATE sets c from itself"
    )


@pytest.mark.parametrize("text", ["UPDATE t", "UPDATE t SET", "UPDATE t SET a"])
def test_what_cannot_be_read_is_not_harmless(text: str) -> None:
    assert _feeds_itself(text) == "something that cannot be read"


def test_plain_data() -> None:
    def plain(script: str) -> bool:
        return is_plain_data(rungs(statements(script)))

    assert plain("BEGIN; UPDATE t SET a = 1; DELETE FROM t; COMMIT; INSERT INTO t VALUES (1)")
    for text in (
        "WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
        "MERGE INTO t USING o ON true WHEN MATCHED THEN DELETE",
        "DO $$ BEGIN UPDATE t SET a = 1; END $$",
        "TRUNCATE t",
        "SELECT f()",
        "ALTER TABLE t ALTER a TYPE int USING a + 1",
    ):
        assert not plain(text)
