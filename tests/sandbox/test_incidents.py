"""Every incident in every mode leaves what docs/sandbox.md says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.errors import StepFailed, UsageError
from ops.sandbox import Sandbox
from ops.sandbox.incidents import INCIDENTS, incident
from ops.sandbox.modes import MODES
from ops.sandbox.repository import CLASS_NAMES, HEART, SCHEMA, SLUGS, TRANSPORT, git
from tests.sandbox.catalog import Catalog, catalog, prefixes, statements_of

if TYPE_CHECKING:
    import subprocess

    from ops.sandbox.modes import Mode
    from ops.sandbox.repository import Migration

    OnHost = Callable[[Sandbox, str], subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.e2e

CANARY = "p@ss:/%'\"$\\ x?#&`!;"

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"

LEDGER = """
SELECT CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back'
            WHEN finished_at IS NOT NULL THEN 'finished' ELSE 'open' END
       || ', ' || applied_steps_count
       || CASE applied_steps_count WHEN 1 THEN ' step' ELSE ' steps' END,
       CASE WHEN logs IS NULL THEN 'NULL'
            WHEN logs LIKE 'A migration failed to apply.%' THEN 'P3018'
            ELSE split_part(logs, E'\\n', 1) END
  FROM _prisma_migrations WHERE migration_name = '{}'
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


@dataclass(frozen=True)
class Place:
    """A row of the second table: where in its script a deploy has ended."""

    incident: str
    mode: str
    ledger: str
    logs: str
    statements: str


def table_of_docs(number: int) -> Iterator[list[str]]:
    """The rows of a table about incidents, one for each mode, without their last cell."""
    lines = DOCS.read_text().split("| incident | modes |")[number].splitlines()[2:]
    for line in lines[: lines.index("")]:
        name, modes, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for mode in modes.split(", "):
            yield [name.strip("`"), mode, *cells[:-1]]


ROWS = [
    Row(name, mode, ledger, logs, tuple(map(int, counts)))
    for name, mode, ledger, logs, *counts in table_of_docs(1)
]
PLACES = [Place(*cells) for cells in table_of_docs(2)]


def test_the_docs_have_each_incident_in_each_of_its_modes_once() -> None:
    rows = [(row.incident, row.mode) for row in ROWS] + [(row.incident, row.mode) for row in PLACES]
    assert sorted(rows) == sorted(
        (incident.name, mode.name)
        for incident in INCIDENTS
        for mode in MODES
        if incident.needs in {None, mode.engine}
    )


def recorded(box: Sandbox) -> tuple[str, str]:
    """What the ledger says of the incident's migration."""
    rows = box.sql(LEDGER.format(incident(box.incident).migration)) or [("none", "")]
    assert len(rows) == 1
    state, logs = (str(cell) for cell in rows[0])
    return state, logs


def measured(box: Sandbox) -> Row:
    objects = [int(count or 0) for count in box.sql(OBJECTS)[0]]
    if box.incident.startswith("p3018"):
        objects[0] -= 1  # made by hand
    return Row(box.incident, box.mode.name, *recorded(box), tuple(objects))


BEHIND = {
    *("pending", "p3018-type-exists"),
    *("edited-after-failure", "wrong-type-exists", "unique-violation"),
}


def check_repositories(box: Sandbox) -> None:
    """The host is clean, on main, and behind the origin where the incident says so."""
    behind = git("rev-list", "--count", "HEAD..main", cwd=box.repo).strip()
    assert behind == "0", "the host has no local commits and is on main"
    ahead = git("log", "--format=%s", "main", cwd=box.origin).splitlines()
    here = git("log", "--format=%s", "main", cwd=box.repo).splitlines()
    new = len(ahead) - len(here)
    assert new == (1 if box.incident in BEHIND else 0)
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


MIGRATIONS = {migration.name: migration for migration in (TRANSPORT, SLUGS, CLASS_NAMES)}
TWINS = "SELECT count(*) - count(DISTINCT (school_id, name)) FROM classes"


@dataclass(frozen=True)
class Broken:
    """A sandbox in which a smaller migration has ended somewhere."""

    box: Sandbox
    script: str
    prefixes: list[Catalog]

    @property
    def migration(self) -> Migration:
        return MIGRATIONS[incident(self.box.incident).migration]

    def statements(self) -> str:
        """After how many statements the catalog looks as it does."""
        valid = {line for line in catalog(self.box) if not line.startswith("INVALID")}
        counts = [str(count) for count, then in enumerate(self.prefixes) if then == valid]
        left = " and an INVALID index" if len(valid) < len(catalog(self.box)) else ""
        return f"{' or '.join(counts) or 'none'} of {len(self.prefixes) - 1}{left}"

    def new(self) -> Catalog:
        """What is there and was not when all was well."""
        return catalog(self.box) - self.prefixes[0]

    def run(self, script: str) -> None:
        """Run a script, or a part of one, by hand."""
        self.box.database.sql(script, as_app=True)

    def run_from(self, done: int) -> None:
        """Run what comes after the first statements."""
        self.run(";\n".join(statements_of(self.script)[done:]))

    def count(self, query: str) -> int:
        return int(self.box.database.value(query))

    def logs(self) -> str:
        return self.box.database.value(
            f"SELECT logs FROM _prisma_migrations WHERE migration_name = '{self.migration.name}'"
        )

    def check_error(self, code: str, text: str) -> None:
        """What the ledger quotes. The adapter's errors have no code."""
        assert text in self.logs()
        assert (f"Database error code: {code}" in self.logs()) != self.box.mode.adapter


def versions(name: str, mode: Mode) -> tuple[str | None, str]:
    """Which version of its script the host has, and which the origin."""
    if name == "invalid-index":
        version = "concurrently" if mode.engine == "one-query" else "after_a_column"
        return version, version
    later: dict[str, tuple[str | None, str]] = {
        "edited-after-failure": ("first", "edited"),
        "wrong-type-exists": ("first", "guarded"),
        "unique-violation": (None, "plain"),
    }
    return later.get(name, ("first", "first"))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place.incident}-{place.mode}")
def test_stands_where_the_docs_say(place: Place, up: Callable[..., Sandbox]) -> None:
    major, engine = place.mode.split("-", 1)
    box = up(prisma=int(major), engine=engine)
    on_host, on_origin = versions(place.incident, box.mode)
    migration = MIGRATIONS[incident(place.incident).migration]
    script = migration.script(on_host or on_origin).read_text()
    before = prefixes(box, script)
    assert catalog(box) == before[0]
    broken = Broken(box, script, before)
    edited = prefixes(box, TRANSPORT.script("edited").read_text())

    box.break_(place.incident)

    assert Place(box.incident, box.mode.name, *recorded(box), broken.statements()) == place
    file = f"Backend/{SCHEMA.parent}/migrations/{migration.name}/migration.sql"
    for checkout, version in ((box.repo, on_host), (box.origin, on_origin)):
        listed = git("ls-tree", "-r", "--name-only", "main", file, cwd=checkout)
        assert bool(listed) == (version is not None)
        if version:
            assert (
                git("show", f"main:{file}", cwd=checkout) == migration.script(version).read_text()
            )
    check_repositories(box)
    check_row(broken, script if on_host else None)
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{box.database.app.role}'"
    assert broken.count(sessions) == 0, "what was killed is gone, and what stood in its way"
    assert broken.count("SELECT count(*) FROM students") == 1500

    if place.incident == "edited-after-failure":
        check_edited(broken, edited)
    else:
        DETAILS[place.incident](broken)


def check_row(broken: Broken, script: str | None) -> None:
    """One open row of the script that the host has; no row where it never ran."""
    rows = broken.box.sql(
        "SELECT checksum, finished_at, rolled_back_at, applied_steps_count, logs IS NULL"
        f" FROM _prisma_migrations WHERE migration_name = '{broken.migration.name}'"
    )
    if script is None:
        assert rows == []
        return
    killed = broken.migration != CLASS_NAMES and broken.box.incident not in {
        *("db-push-drift", "wrong-type-exists"),
    }
    digest = hashlib.sha256(script.encode()).hexdigest()
    assert rows == [(digest, None, None, "0", "t" if killed else "f")]


def check_half_applied(broken: Broken) -> None:
    assert {line.split()[1] for line in broken.new() if line.startswith(("type", "column"))} == {
        "transport_mode",
        *(f"transport_stops.{name}" for name in ("id", "school_id", "name", "fee", "pickup_at")),
    }
    broken.run_from(3)
    assert broken.statements() == "7 of 7"


def check_half_applied_with_data(broken: Broken) -> None:
    assert broken.new() == {"column students.slug text"}
    assert broken.count("SELECT count(DISTINCT slug) FROM students") == 1500
    update = statements_of(broken.script)[1]
    assert broken.count(f"WITH again AS ({update} RETURNING 1) SELECT count(*) FROM again") == 0
    broken.run_from(2)
    assert broken.statements() == "4 of 4"


def check_applied_but_unfinished(broken: Broken) -> None:
    invalid = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    assert broken.count(invalid) == 0
    with pytest.raises(StepFailed, match="transport_mode"):
        broken.run(broken.script)


def check_edited(broken: Broken, edited: list[Catalog]) -> None:
    """Half applied, neither the rest of the new script nor all of it leads to what it means."""
    new_script = TRANSPORT.script("edited").read_text()
    if broken.box.mode.engine == "one-query":
        broken.run(new_script)
        assert catalog(broken.box) == edited[-1]
        return
    assert catalog(broken.box) not in edited
    with pytest.raises(StepFailed, match="transport_mode"):
        broken.run(new_script)
    broken.run(";\n".join(statements_of(new_script)[3:]))
    assert catalog(broken.box) - edited[-1] == {
        "column transport_stops.fee integer NOT NULL DEFAULT 0"
    }


def check_db_push_drift(broken: Broken) -> None:
    per_statement = broken.box.mode.engine == "per-statement"
    types = {"type transport_mode BUS, VAN, WALK"} if per_statement else set()
    assert broken.new() - broken.prefixes[-1] == {
        "column transport_stops.name character varying(40) NOT NULL",
        "column transport_stops.fee bigint NOT NULL DEFAULT 500",
    }
    missing = broken.prefixes[-1] - catalog(broken.box)
    assert {line.split()[1] for line in missing if line.startswith("column")} == {
        *("transport_stops.name", "transport_stops.fee", "transport_stops.pickup_at"),
        "students.transport",
    }
    assert {line for line in broken.new() if line.startswith("type")} == types
    assert broken.count("SELECT count(*) FROM transport_stops") == 12
    assert broken.count("SELECT count(*) FROM students WHERE stop_id IS NOT NULL") == 375
    broken.check_error("42P07", 'relation "transport_stops" already exists')


def check_wrong_type_exists(broken: Broken) -> None:
    wrong = {"type transport_mode BUS, CAR, WALK"}
    assert broken.new() == wrong
    broken.check_error("42710", 'type "transport_mode" already exists')
    broken.run(TRANSPORT.script("guarded").read_text())
    assert catalog(broken.box) - broken.prefixes[-1] == wrong


def check_invalid_index(broken: Broken) -> None:
    index, adapter = "classes_school_id_name_key", broken.box.mode.adapter
    made = f"UNIQUE INDEX {index} ON public.classes USING btree (school_id, name)"
    invalid = {line for line in broken.new() if line.startswith("INVALID")}
    assert invalid == {f"INVALID not ready CREATE {made}"}
    assert broken.count(TWINS) == 0
    words = "Unique constraint failed: {}" if adapter else 'could not create unique index "{}"'
    broken.check_error("23505", words.format(index))
    broken.run(f"DROP INDEX {index}")
    broken.run(statements_of(broken.script)[-1])
    assert catalog(broken.box) == broken.prefixes[-1]


def check_unique_violation(broken: Broken) -> None:
    assert broken.count(TWINS) == 30
    with pytest.raises(StepFailed, match="could not create unique index"):
        broken.run(broken.script)


DETAILS: dict[str, Callable[[Broken], None]] = {
    "half-applied": check_half_applied,
    "half-applied-with-data": check_half_applied_with_data,
    "applied-but-unfinished": check_applied_but_unfinished,
    "db-push-drift": check_db_push_drift,
    "wrong-type-exists": check_wrong_type_exists,
    "invalid-index": check_invalid_index,
    "unique-violation": check_unique_violation,
}


@pytest.mark.parametrize("name", ["half-applied", "half-applied-with-data"])
def test_a_mode_in_which_it_cannot_happen_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot happen .* it needs per-statement") as why:
        Sandbox.up(tmp_path / "box", incident=name, engine="one-query")
    assert "--engine per-statement" in str(why.value.hint)
    assert not (tmp_path / "box").exists()


def test_breaking_in_such_a_mode_leaves_it_healthy(up: Callable[..., Sandbox]) -> None:
    box = up()
    with pytest.raises(UsageError, match="it needs per-statement"):
        box.break_("half-applied")
    assert box.incident == "healthy"


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_comes_from_the_cache_as_it_was(mode: Mode, up: Callable[..., Sandbox]) -> None:
    box = up(incident="applied-but-unfinished", prisma=mode.major, engine=mode.engine)
    assert recorded(box) == ("open, 0 steps", "NULL")
    finished = "SELECT count(*) FROM pg_constraint WHERE conname = 'transport_stops_school_id_fkey'"
    assert box.database.value(finished) == "1"


def test_the_app_can_lose_the_right_to_create_databases(up: Callable[..., Sandbox]) -> None:
    box = up()
    box.sql(f"ALTER ROLE {box.database.app.role} NOCREATEDB")
    with pytest.raises(StepFailed, match="permission denied to create database"):
        box.database.sql("CREATE DATABASE other", as_app=True)
