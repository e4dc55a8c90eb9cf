"""Where a script is cut into statements."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from ops.sandbox.node import Node

ATOMIC = (
    "CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC "
    "SELECT CASE WHEN a > 0 THEN 1 ELSE 2 END; SELECT a; END;"
)

CASES = {
    "none": ("", []),
    "only comments": ("-- a;\n/* b; /* c; */ d; */ ;;", []),
    "plain": ("SELECT 1; SELECT 2", ["SELECT 1;", "SELECT 2"]),
    "quotes": ("SELECT ';''x;'; SELECT \";\"\"\"", ["SELECT ';''x;';", 'SELECT ";"""']),
    "escape string": (r"SELECT E'\';'; SELECT 2", [r"SELECT E'\';';", "SELECT 2"]),
    "no escape string": (r"SELECT '\'; SELECT 2", [r"SELECT '\';", "SELECT 2"]),
    "dollar": ("DO $$ ; $a$ ; $$; SELECT 1", ["DO $$ ; $a$ ; $$;", "SELECT 1"]),
    "named dollar": ("DO $b$ $$;$$ $b$; SELECT 1", ["DO $b$ $$;$$ $b$;", "SELECT 1"]),
    "dollar in a name": ("SELECT a$b$; SELECT $1; x", ["SELECT a$b$;", "SELECT $1;", "x"]),
    "comments": (
        "-- it's;\nSELECT /* ' ; /* ; */ ' */ 1; -- '\nSELECT 2",
        ["-- it's;\nSELECT /* ' ; /* ; */ ' */ 1;", "-- '\nSELECT 2"],
    ),
    "atomic": (f"{ATOMIC} SELECT 1", [ATOMIC, "SELECT 1"]),
    "transaction": ("BEGIN; SELECT 1; END;", ["BEGIN;", "SELECT 1;", "END;"]),
    "rule": (
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
        ["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);", "SELECT 3"],
    ),
    "unfinished": ("SELECT 1; DO $$ ;", ["SELECT 1;", "DO $$ ;"]),
}


@pytest.fixture(scope="module")
def found(node: Node, engine_file: Path) -> dict[str, list[str]]:
    splitter = engine_file.with_name("splitter.cjs")
    program = (
        f"const {{splitStatements}} = require({json.dumps(str(splitter))});"
        "const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "for (const name in cases) cases[name] = splitStatements(cases[name]);"
        "console.log(JSON.stringify(cases))"
    )
    given = json.dumps({name: sql for name, (sql, _) in CASES.items()})
    done = subprocess.run(
        [node.node, "-e", program], input=given, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
def test_cuts(name: str, found: dict[str, list[str]]) -> None:
    assert found[name] == CASES[name][1]
