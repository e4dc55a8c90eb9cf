"""A sandbox a test, and `fab` as a process, as people and workflows start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.sandbox import Sandbox

HEART = "20260221053404_add_missing_models"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Typed:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Operator:
    """Somebody at a terminal (which is none: nothing can be asked)."""

    box: Sandbox
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        keep = {
            key: value
            for key, value in os.environ.items()
            if key in {"PATH", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}
            or key.startswith("COV_CORE")
        }
        return {
            **keep,
            "HOME": str(self.home),
            "OPS_INVENTORY": str(self.box.inventory),
            "PATH": f"{Path(sys.executable).parent}:{keep['PATH']}",
        }

    def fab(self, *words: str, timeout: float = 120) -> Typed:
        """Type `fab sandbox WORDS`."""
        return self._type("fab", "sandbox", *words, timeout=timeout)

    def ops(self, action: str, *words: str, timeout: float = 120) -> Typed:
        """Type `ops ACTION sandbox WORDS`."""
        return self._type("ops", action, "sandbox", *words, timeout=timeout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `fab sandbox WORDS` and go on."""
        return subprocess.Popen(
            ["fab", "sandbox", *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _type(self, *words: str, timeout: float) -> Typed:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Typed(done.returncode, done.stdout, done.stderr)

    def ledger(self, name: str = HEART) -> list[tuple[bool, bool, bool, int]]:
        """Rows of one migration: finished, rolled back, with logs, steps."""
        rows = self.box.sql(
            "SELECT finished_at IS NOT NULL, rolled_back_at IS NOT NULL, coalesce(logs, '') <> '',"
            f" applied_steps_count FROM _prisma_migrations WHERE migration_name = '{name}'"
            " ORDER BY started_at"
        )
        return [(row[0] == "t", row[1] == "t", row[2] == "t", int(str(row[3]))) for row in rows]

    def dump(self, *options: str) -> str:
        """The whole database as text, for `unchanged`."""
        return self.dump_with("pg_dump", *options)

    def dump_with(self, program: str, *options: str) -> str:
        """The same, with another name for pg_dump."""
        lines = self.client(program, *options).splitlines()
        return "\n".join(
            line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))
        )

    def client(self, program: str, *words: str, database: str = "") -> str:
        """Run one of the host's PostgreSQL programs on the sandbox's database, or another."""
        environment = {**os.environ, **self.box.psql_env}
        if database:
            environment["PGDATABASE"] = database
        done = subprocess.run(
            [self.box.home / "bin" / program, *words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def has_table(self, name: str) -> bool:
        """Whether a table is there."""
        return self.box.sql(f"SELECT to_regclass('public.{name}') IS NOT NULL")[0][0] == "t"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Callable[..., Operator]]:
    """Return a function that brings up a sandbox and puts an operator before it."""
    with ExitStack() as stack:

        def begin(incident: str = "healthy", **options: Any) -> Operator:
            options.setdefault("ssh", "builtin")
            root = tmp_path / "box"
            box = stack.enter_context(Sandbox.up(root, incident=incident, **options))
            home = tmp_path / "home"
            home.mkdir()
            return Operator(box, home)

        yield begin
