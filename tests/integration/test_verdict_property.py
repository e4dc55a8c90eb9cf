"""Scripts by chance, stopped by chance: the verdict knows where, or says that it does not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from bench.ground import SETTINGS, ground, run_sql
from bench.states import CUT_OFF, WRONG, fresh, run_rung, weighed
from ops.proof.ladder import climb, snapshot
from ops.proof.scratch import scratch
from ops.proof.shadow import Replay
from ops.proof.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DrawFn

    from ops.proof.scratch import Scratch

BASE: Final = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE t0 (id serial PRIMARY KEY, a text, b int NOT NULL DEFAULT 0, m mood);
CREATE TABLE t1 (id serial PRIMARY KEY, a text NOT NULL, t0_id int REFERENCES t0 (id));
CREATE INDEX t0_a ON t0 (a);
CREATE VIEW v0 AS SELECT id, a FROM t0;
CREATE FUNCTION f0() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""
ROWS: Final = """
INSERT INTO t0 (a, b, m) VALUES ('x', 1, 'sad'), (NULL, 1, NULL), ('x', 2, 'ok');
INSERT INTO t1 (a, t0_id) VALUES ('y', 1), ('z', NULL);
"""
TYPES: Final = ("text", "int", "bigint", "boolean", "timestamptz", "jsonb", "numeric(8,2)", "mood")
DEFAULTS: Final = {
    "text": "'it''s; x'",
    "int": "7",
    "bigint": "7",
    "boolean": "true",
    "timestamptz": "now()",
    "jsonb": "'{}'",
    "numeric(8,2)": "1.50",
    "mood": "'sad'",
}


@dataclass
class Model:
    """What a script has made so far, so that most of its statements are possible.

    Args:
        tables: The columns of each table, with their types.
        values: Of the enum.
        numbers: For names that were never used.
    """

    tables: dict[str, dict[str, str]] = field(
        default_factory=lambda: {
            "t0": {"id": "int", "a": "text", "b": "int", "m": "mood"},
            "t1": {"id": "int", "a": "text", "t0_id": "int"},
        }
    )
    values: list[str] = field(default_factory=lambda: ["sad", "ok"])
    indexes: list[str] = field(default_factory=lambda: ["t0_a"])
    constraints: list[tuple[str, str]] = field(default_factory=lambda: [("t1", "t1_t0_id_fkey")])
    views: list[str] = field(default_factory=lambda: ["v0"])
    numbers: Iterator[int] = field(default_factory=lambda: count(2))

    def new(self, letter: str) -> str:
        return f"{letter}{next(self.numbers)}"


class Writer:
    """Draws statements, one method a kind."""

    def __init__(self, draw: DrawFn) -> None:
        self.draw = draw
        self.model = Model()

    def one(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def table(self) -> str:
        return self.one(*(self.model.tables or {"gone": {}}))

    def column(self, table: str) -> str:
        return self.one(*(self.model.tables.get(table) or {"gone": ""}))

    def create_table(self) -> str:
        table, type_ = self.model.new("t"), self.one(*TYPES)
        self.model.tables[table] = {"id": "int", "a": type_}
        guard = self.one("", "IF NOT EXISTS ")
        return f"CREATE TABLE {guard}{table} (id serial PRIMARY KEY, a {type_})"

    def drop_table(self) -> str:
        table = self.table()
        self.model.tables.pop(table, None)
        return f"DROP TABLE {table}{self.one('', ' CASCADE')}"

    def rename_table(self) -> str:
        table, new = self.table(), self.model.new("t")
        self.model.tables[new] = self.model.tables.pop(table, {})
        return f"ALTER TABLE {table} RENAME TO {new}"

    def add_column(self) -> str:
        table, name, type_ = self.table(), self.model.new("c"), self.one(*TYPES)
        default = self.one(
            "", f" DEFAULT {DEFAULTS[type_]}", f" NOT NULL DEFAULT {DEFAULTS[type_]}"
        )
        self.model.tables.setdefault(table, {})[name] = type_
        return f"ALTER TABLE {table} ADD COLUMN {name} {type_}{default}"

    def drop_column(self) -> str:
        table = self.table()
        name = self.column(table)
        self.model.tables.get(table, {}).pop(name, None)
        return f"ALTER TABLE {table} DROP COLUMN {name}"

    def add_it_again(self) -> str:
        """A column that is dropped and made anew is the same to everybody, but not in its place."""
        table = self.table()
        name = self.column(table)
        type_ = self.model.tables.get(table, {}).get(name, "int")
        return f"ALTER TABLE {table} DROP COLUMN {name}, ADD COLUMN {name} {type_}"

    def rename_column(self) -> str:
        table, new = self.table(), self.model.new("c")
        name = self.column(table)
        columns = self.model.tables.get(table, {})
        columns[new] = columns.pop(name, "int")
        return f"ALTER TABLE {table} RENAME COLUMN {name} TO {new}"

    def alter_column(self) -> str:
        table = self.table()
        name = self.column(table)
        type_ = self.model.tables.get(table, {}).get(name, "int")
        change = self.one(
            f"SET DEFAULT {DEFAULTS[type_]}",
            "DROP DEFAULT",
            "SET NOT NULL",
            "DROP NOT NULL",
            "TYPE text",
            f"TYPE {type_}",
            "SET STATISTICS 50",
        )
        if change == "TYPE text":
            self.model.tables.get(table, {})[name] = "text"
        return f"ALTER TABLE {table} ALTER COLUMN {name} {change}"

    def create_index(self) -> str:
        table, name = self.table(), self.model.new("i")
        unique, how = self.one("", "UNIQUE "), self.one("", "", "CONCURRENTLY ", "IF NOT EXISTS ")
        self.model.indexes.append(name)
        where = self.one("", " WHERE id > 3")
        return f"CREATE {unique}INDEX {how}{name} ON {table} ({self.column(table)}){where}"

    def change_index(self) -> str:
        name, new = self.one(*self.model.indexes, "t1_pkey"), self.model.new("i")
        if self.draw(st.booleans()):
            return f"DROP INDEX {self.one('', 'IF EXISTS ')}{name}"
        self.model.indexes.append(new)
        return f"ALTER INDEX {name} RENAME TO {new}"

    def enum(self) -> str:
        new = self.model.new("w")
        old = self.one(*self.model.values)
        self.model.values.append(new)
        return self.one(
            f"ALTER TYPE mood ADD VALUE '{new}'",
            f"ALTER TYPE mood ADD VALUE IF NOT EXISTS '{old}'",
            f"ALTER TYPE mood ADD VALUE '{new}' BEFORE '{old}'",
            f"ALTER TYPE mood RENAME VALUE '{old}' TO '{new}'",
            f"CREATE TYPE e_{new} AS ENUM ('a', 'b')",
        )

    def constraint(self) -> str:
        table, name = self.table(), self.model.new("k")
        column = self.column(table)
        what = self.one(
            f"CHECK ({column} IS NOT NULL) NOT VALID",
            f"CHECK ({column}::text <> 'q; r')",
            f"UNIQUE ({column})",
            f"FOREIGN KEY ({column}) REFERENCES t0 (id) ON DELETE CASCADE",
        )
        self.model.constraints.append((table, name))
        return f"ALTER TABLE {table} ADD CONSTRAINT {name} {what}"

    def change_constraint(self) -> str:
        table, name = self.draw(st.sampled_from(self.model.constraints))
        what = self.one(f"DROP CONSTRAINT {name}", f"VALIDATE CONSTRAINT {name}")
        return f"ALTER TABLE {table} {what}"

    def view(self) -> str:
        table, name = self.table(), self.model.new("v")
        self.model.views.append(name)
        old, column = self.one(*self.model.views), self.column(table)
        return self.one(
            f"CREATE VIEW {name} AS SELECT {column} FROM {table} WHERE id > 1 OR id < 0",
            f"CREATE OR REPLACE VIEW {old} AS SELECT id, a FROM t0 WHERE b > 0",
            f"DROP VIEW {old}",
            f"CREATE MATERIALIZED VIEW m{name} AS SELECT count(*) AS n FROM {table}",
        )

    def function(self) -> str:
        return self.one(
            "CREATE OR REPLACE FUNCTION f0() RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "CREATE OR REPLACE FUNCTION f0() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION f1() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            "DROP FUNCTION f0()",
            "ALTER FUNCTION f0() STABLE",
        )

    def comment(self) -> str:
        table = self.table()
        place = self.one(f"TABLE {table}", f"COLUMN {table}.{self.column(table)}", "TYPE mood")
        text = self.one("NULL", "'one; two'", "$$three$$")
        return f"COMMENT ON {place} IS {text}"

    def rows(self) -> str:
        table = self.table()
        return self.one(
            f"UPDATE {table} SET id = id + 100 WHERE id > 1000",
            f"INSERT INTO {table} DEFAULT VALUES",
            f"DELETE FROM {table} WHERE id < 0",
            "UPDATE t0 SET a = 'x' WHERE a IS NULL",
            "SET lock_timeout = '3s'",
        )

    def block(self) -> str:
        table, name = self.table(), self.model.new("d")
        return self.one(
            f"DO $$ BEGIN ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (id > -1); "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"DO $$ BEGIN PERFORM 1 FROM {table}; END $$",
            f"DO $x$ BEGIN CREATE TABLE IF NOT EXISTS {name} (id int); COMMIT; "
            f"ALTER TABLE {name} ADD b int; END $x$",
            f"BEGIN; ALTER TABLE {table} ADD COLUMN {name} int; "
            f"COMMENT ON COLUMN {table}.{name} IS 'x'; COMMIT",
            f"BEGIN; CREATE TABLE {name} (id int); ROLLBACK",
        )


KINDS: Final = tuple(
    getattr(Writer, name)
    for name in vars(Writer)
    if not name.startswith("_") and name not in {"one", "table", "column"}
)


@st.composite
def scripts(draw: DrawFn) -> str:
    writer = Writer(draw)
    kinds: list[Callable[[Writer], str]] = draw(
        st.lists(st.sampled_from(KINDS), min_size=2, max_size=8)
    )
    return "".join(f"{kind(writer)};\n" for kind in kinds)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """A server with two templates: the schema alone, and the schema with rows."""
    with (
        ground(tmp_path_factory.mktemp("server")) as place,
        scratch(place.server, "property") as found,
    ):
        shadow = found.create("base")
        run_sql(place, shadow, BASE)
        run_sql(place, found.create("filled", shadow), ROWS)
        yield found


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(script=scripts(), stop=st.integers(0, 8))
def test_the_verdict_is_right_or_in_doubt(made: Scratch, script: str, stop: int) -> None:
    note(script)
    shadow, filled = (f"ops_scratch_property_{label}" for label in ("base", "filled"))
    rungs = Replay("by_chance", script).rungs()
    with fresh(made, "ladder", shadow) as copy, made.connect(copy, SETTINGS) as psql:
        ladder = climb(psql, rungs)
    with fresh(made, "production", filled) as name, made.connect(name, SETTINGS) as psql:
        done = 0
        # Rows may stop it before that, which is how most migrations fail.
        while done < min(stop, len(ladder.steps)) and not run_rung(psql, rungs[done]):
            done += 1
        psql.settle()
        verdict = judge("by_chance", (), CUT_OFF, ladder, snapshot(psql, "production"))
    state = weighed("by_chance", done, verdict, len(rungs))
    assert state.outcome not in WRONG, f"after {done}: {state.why}"
