"""Every incident in every mode leaves what docs/sandbox.md says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.sandbox.incidents import INCIDENTS
from ops.sandbox.modes import MODES
from ops.sandbox.repository import HEART, SCHEMA, git

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from ops.sandbox import Sandbox
    from ops.sandbox.modes import Mode

    OnHost = Callable[[Sandbox, str], subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.e2e

CANARY = "p@ss:/%'\"$\\ x?#&`!;"

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"

LEDGER = f"""
SELECT CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back'
            WHEN finished_at IS NOT NULL THEN 'finished' ELSE 'open' END
       || ', ' || applied_steps_count
       || CASE applied_steps_count WHEN 1 THEN ' step' ELSE ' steps' END,
       CASE WHEN logs IS NULL THEN 'NULL'
            WHEN logs LIKE 'A migration failed to apply.%' THEN 'P3018'
            ELSE split_part(logs, E'\\n', 1) END
  FROM _prisma_migrations WHERE migration_name = '{HEART}'
"""

# What the app had before: 3 types, 3 notification types, 9 tables and the ledger, 9 foreign keys.
OBJECTS = """
SELECT (SELECT count(*) - 3 FROM pg_type t WHERE typtype = 'e'),
       (SELECT count(*) - 3 FROM pg_enum WHERE enumtypid = 'notification_type'::regtype),
       (SELECT count(*) - 10 FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace),
       (SELECT count(*) - 9 FROM pg_constraint WHERE contype = 'f')
"""


@dataclass(frozen=True)
class Row:
    """A row of the table in the docs."""

    incident: str
    mode: str
    ledger: str
    logs: str
    objects: tuple[int, ...]


def rows_of_docs() -> list[Row]:
    lines = DOCS.read_text().split("| incident | modes |")[1].splitlines()[2:]
    rows = []
    for line in lines[: lines.index("")]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name, modes, ledger, logs, *counts = cells[:-1]
        objects = tuple(int(count) for count in counts)
        rows += [Row(name.strip("`"), mode, ledger, logs, objects) for mode in modes.split(", ")]
    return rows


ROWS = rows_of_docs()


def test_the_docs_have_each_incident_in_each_mode_once() -> None:
    assert sorted((row.incident, row.mode) for row in ROWS) == sorted(
        (incident.name, mode.name) for incident in INCIDENTS for mode in MODES
    )


def measured(box: Sandbox) -> Row:
    ledger = box.sql(LEDGER) or [("none", "")]
    assert len(ledger) == 1
    objects = [int(count or 0) for count in box.sql(OBJECTS)[0]]
    if box.incident.startswith("p3018"):
        objects[0] -= 1  # made by hand
    state, logs = (str(cell) for cell in ledger[0])
    return Row(box.incident, box.mode.name, state, logs, tuple(objects))


def check_repositories(box: Sandbox) -> None:
    """The host is clean, on main, and behind the origin where the incident says so."""
    behind = git("rev-list", "--count", "HEAD..main", cwd=box.repo).strip()
    assert behind == "0", "the host has no local commits and is on main"
    ahead = git("log", "--format=%s", "main", cwd=box.origin).splitlines()
    here = git("log", "--format=%s", "main", cwd=box.repo).splitlines()
    new = len(ahead) - len(here)
    assert new == (1 if box.incident in {"pending", "p3018-type-exists"} else 0)
    assert git("status", "--porcelain", cwd=box.repo) == ""


HEALTHY = {row.mode: row for row in ROWS if row.incident == "healthy"}
BROKEN = [row for row in ROWS if row.incident not in {"healthy", "p3018-type-exists"}]


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: f"{row.incident}-{row.mode}")
def test_leaves_what_the_docs_say(row: Row, up: Callable[..., Sandbox]) -> None:
    major, engine = row.mode.split("-", 1)
    box = up(prisma=int(major), engine=engine)
    assert measured(box) == HEALTHY[row.mode]
    box.break_(row.incident, seconds=600)
    assert measured(box) == row
    assert box.mode.version in (box.app / "node_modules/prisma/package.json").read_text()
    lock = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369"
    assert box.database.value(lock) == ("1" if row.incident == "running" else "0")

    check_repositories(box)

    if row.incident == "running":
        box.release()
        deadline = time.monotonic() + 20
        while "finished" not in measured(box).ledger and time.monotonic() < deadline:
            time.sleep(0.05)
        after = measured(box)
        assert (after.ledger, after.logs) == ("finished, 1 step", "NULL")
        assert after.objects == (5, 2, 10, 10)


def test_running_ends_by_itself(up: Callable[..., Sandbox]) -> None:
    start = time.monotonic()
    box = up(incident="running", seconds=1)
    while measured(box).ledger != "finished, 1 step":
        assert time.monotonic() - start < 20
        time.sleep(0.05)
    deadline = time.monotonic() + 10
    while "successfully applied" not in (box.root / "logs/deploy.log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_cli_tells_the_story(mode: Mode, up: Callable[..., Sandbox], on_host: OnHost) -> None:
    """P3018, P3009, resolve, status, deploy: the real CLI, with a password that needs encoding."""
    box = up(incident="p3018-type-exists", prisma=mode.major, engine=mode.engine, password=CANARY)
    assert [measured(box)] == [
        row for row in ROWS if (row.incident, row.mode) == (box.incident, mode.name)
    ]
    check_repositories(box)
    prisma = "node_modules/.bin/prisma migrate"
    schema = f"--schema={SCHEMA}"
    log = (box.root / "logs/deploy.log").read_text()
    # The adapter's errors have no code: its engine cannot make a P3018.
    assert ("Error: P3018" in log) == (not mode.adapter)
    assert 'ERROR: type "attendance_status" already exists' in log

    again = on_host(box, "npm run --silent prisma:migrate:deploy")
    assert again.returncode == 1
    assert "P3009" in again.stderr or mode.adapter
    assert "migrate found failed migrations in the target database" in again.stderr
    assert f"The `{HEART}` migration started at 20" in again.stderr

    resolved = on_host(box, f"{prisma} resolve --rolled-back {HEART} {schema}")
    assert f"Migration {HEART} marked as rolled back." in resolved.stdout
    status = on_host(box, f"{prisma} status {schema}")
    assert (status.returncode, "up to date" in status.stdout) == (
        (1, False) if mode.version == "7.10.1" else (0, True)  # wrong before 7.9
    )

    on_host(box, "git pull --quiet --ff-only")
    deploy = on_host(box, f"{prisma} deploy {schema}")
    if mode.engine == "one-query":
        assert "All migrations have been successfully applied." in deploy.stdout
        counts = "SELECT count(*) FROM notes; SELECT count(*) FROM students"
        assert box.sql(counts) == [("0",), ("1500",)]
    else:
        # The first attempt's two types are in the way now.
        assert deploy.returncode == 1
        assert 'type "library_issue_status" already exists' in deploy.stderr
