"""Facts for tests: a healthy production, of which each test changes what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from ops.facts.app import App, Installed, Script
from ops.facts.catalog import Key, Snapshot
from ops.facts.database import Database, Identity, LedgerRow, Session
from ops.facts.gather import Facts
from ops.facts.git import Git, LockFile, Past, Tree, sha256
from ops.facts.tools import Machine, Tool
from ops.facts.url import parse_url
from ops.inventory import Environment
from ops.proof.ladder import Ladder, Step
from ops.proof.psql import SqlError
from ops.proof.remedy import Diagnosis, Remedy
from ops.proof.statements import Rung, rungs, statements
from ops.proof.verdict import Undetermined, by_testimony, tried

NOW: Final = datetime(2024, 6, 1, 12, tzinfo=UTC)
PULLED: Final = NOW - timedelta(hours=2)
FAILED_AT: Final = NOW - timedelta(hours=1)
INIT: Final = "20240101000000_init"
HEART: Final = "20240201000000_add_heart"
SQL: Final = {INIT: b"CREATE TABLE a (id int);\n", HEART: b"ALTER TABLE a ADD heart int;\n"}
PASSWORD: Final = "s3cret-of-the-database"
URL: Final = f"postgresql://app:{PASSWORD}@db.example.com/school"
GIB: Final = 1 << 30
COMMIT_HEAD: Final = "a" * 40
COMMIT_MAIN: Final = "b" * 40

P3018: Final = """\
A migration failed to apply. New migrations cannot be applied before the error is recovered from.

Migration name: {name}

Database error code: {code}

Database error:
{severity}: {message}

DbError {{ severity: "{severity}", parsed_severity: Some({parsed}), code: SqlState(E{code}) }}
"""


def logs(
    name: str = HEART,
    code: str = "42701",
    severity: str = "ERROR",
    parsed: str = "Error",
    message: str = 'column "heart" already exists',
) -> str:
    """Return what Prisma writes into the ledger when a script fails."""
    return P3018.format(name=name, code=code, severity=severity, parsed=parsed, message=message)


def environment(**changes: Any) -> Environment:
    """Return an environment of the inventory."""
    usual = {
        "hosts": [{"host": "app.example.com"}],
        "repo": "/opt/school/repo",
        "app": "Backend",
        "database_url": {"env_file": "/opt/school/.env"},
        "backups": "/opt/school/backups",
    }
    return msgspec.convert({**usual, **changes}, Environment)


def row(
    name: str = HEART,
    content: bytes | None = None,
    *,
    state: str = "failed",
    at: datetime | None = FAILED_AT,
    **changes: Any,
) -> LedgerRow:
    """Return a row of the ledger.

    Args:
        name: The migration.
        content: The script as it was attempted; default: the one on main.
        state: `failed`, `applied` or `rolled back`.
        at: When it was started.
        changes: Other cells.
    """
    end = at or NOW
    cells: dict[str, Any] = {
        "id": f"{name}-{state}-{at}",
        "checksum": sha256(SQL.get(name, b"?") if content is None else content),
        "migration_name": name,
        "started_at": at,
        "finished_at": end if state == "applied" else None,
        "rolled_back_at": end if state == "rolled back" else None,
        "logs": None if state == "applied" else logs(name),
        "applied_steps_count": int(state == "applied"),
    }
    return LedgerRow(**{**cells, **changes})


def lock(prisma: str = "6.19.3", path: str = "Backend/package-lock.json") -> LockFile:
    """Return a lock file; another version of Prisma makes another blob."""
    return LockFile(path, f"lock-{path}-{prisma}", prisma)


def tree(
    commit: str = COMMIT_HEAD,
    scripts: dict[str, bytes] | None = None,
    locks: tuple[LockFile, ...] | None = None,
) -> Tree:
    """Return a commit with these migrations."""
    names = SQL if scripts is None else scripts
    directory = "Backend/prisma/migrations"
    files = {f"{directory}/{name}/migration.sql": blob(text) for name, text in names.items()}
    return Tree(commit, files, (lock(),) if locks is None else locks)


def blob(content: bytes) -> str:
    """Return a name for a git object of this content."""
    return f"blob-{sha256(content)[:12]}"


def app(sql: dict[str, bytes | None] | None = None, **changes: Any) -> App:
    """Return the app at a commit, with these migrations."""
    names: dict[str, bytes | None] = {**SQL} if sql is None else sql
    usual: dict[str, Any] = {
        "migrations_directory": "Backend/prisma/migrations",
        "migrations": tuple(Script(name, content) for name, content in names.items()),
        "lock_provider": "postgresql",
        "provider": "postgresql",
        "url_variables": ("DATABASE_URL",),
        "may_use_adapter": False,
        "configuration": False,
        "scripts": {},
        "prisma_is_dev": True,
        "schema_found": True,
    }
    return App(**{**usual, **changes})


def past(
    scripts: tuple[bytes, ...] = tuple(SQL.values()),
    locks: tuple[LockFile, ...] | None = None,
    configs: str = "",
) -> Past:
    """Return what a commit that was checked out says."""
    return Past((lock(),) if locks is None else locks, configs, frozenset(map(blob, scripts)))


def git(**changes: Any) -> Git:
    """Return a checkout that stands at origin's branch."""
    head = changes.get("head") or tree(COMMIT_HEAD)
    usual: dict[str, Any] = {
        "branch": "main",
        "changed": (),
        "head": head,
        "main": head,
        "ahead": 0,
        "behind": 0,
        "unpushed": 0,
        "incoming": (),
        "moves": ((PULLED, head.commit),),
        "past": {head.commit: past()},
        "contents": {blob(content): content for content in SQL.values()},
        "directories": (),
    }
    return Git(**{**usual, **changes})


def identity(**changes: Any) -> Identity:
    """Return a primary of PostgreSQL 16."""
    usual: dict[str, Any] = {
        "database": "school",
        "oid": 16384,
        "user": "app",
        "version": "16.14",
        "version_number": 160014,
        "address": "10.0.0.5",
        "port": 5432,
        "standby": False,
        "schema_exists": True,
        "tables": 7,
        "size": GIB,
        "product": "PostgreSQL 16.14 on x86_64-pc-linux-gnu, compiled by gcc",
    }
    return Identity(**{**usual, **changes})


def session(**changes: Any) -> Session:
    """Return a session that does nothing of interest."""
    usual: dict[str, Any] = {
        "pid": 4711,
        "user": "app",
        "application": "",
        "client": "10.0.0.9",
        "state": "active",
        "query": "SELECT 1",
        "seconds": 12.4,
        "holds_lock": False,
        "waits_for_lock": False,
    }
    return Session(**{**usual, **changes})


def machine(**changes: Any) -> Machine:
    """Return a host that has everything."""
    usual: dict[str, Any] = {
        "system": "Linux",
        "user": "deploy",
        "home": "/home/deploy",
        "clock_offset": 0.0,
        "free_backups": 50 * GIB,
        "free_repo": 50 * GIB,
        "node": Tool("20.11.0"),
        "pg_dump": Tool("16.14"),
        "psql": Tool("16.14"),
        "support": frozenset({"flock", "setsid", "sha256sum", "hidepid"}),
    }
    return Machine(**{**usual, **changes})


def make_facts(
    *rows: LedgerRow,
    head: Tree | None = None,
    url: str = URL,
    installed: Installed | str | None = "6.19.3",
    **changes: Any,
) -> Facts:
    """Return facts of a production.

    Args:
        rows: Of the ledger, after an applied init. Default: both migrations applied.
        head: The checkout's commit.
        url: The database URL.
        installed: Prisma in node_modules, or its version there.
        changes: Fields of Facts, Git, Machine, Database or Identity, by their names.
    """
    if isinstance(installed, str):
        installed = Installed("/opt/school/repo/Backend", installed, PULLED - timedelta(days=1))
    ledger = [row(INIT, state="applied", at=PULLED), *(rows or (row(state="applied"),))]
    changes = {"head": head, **changes} if head else changes
    usual: dict[str, Any] = {
        "at": NOW,
        "environment": environment(),
        "machine": machine(**_taken(changes, Machine)),
        "installed": installed,
        "url": parse_url(url, "DATABASE_URL"),
        "directory": "/opt/school/repo/Backend",
        "last_backup": None,
    }
    apps = {key: changes.pop(key) for key in ("head_app", "main_app") if key in changes}
    usual["head"], usual["main"] = apps.get("head_app", app()), apps.get("main_app", app())
    usual["git"] = git(**_taken(changes, Git))
    usual["database"] = Database(
        **{
            "identity": identity(**_taken(changes, Identity)),
            "sessions": [],
            "ledger": ledger,
            "system_identifier": "7000000000000000001",
            **_taken(changes, Database),
        }
    )
    usual["variables"] = {"DATABASE_URL": usual["url"].text}
    return Facts(**{**usual, **changes})


def _taken(changes: dict[str, Any], kind: type) -> dict[str, Any]:
    """Take those changes out that are fields of a class."""
    names = getattr(kind, "__struct_fields__", None) or kind.__dataclass_fields__  # type: ignore[attr-defined]
    return {name: changes.pop(name) for name in names if name in changes}


def behind(scripts: dict[str, bytes], *rows: LedgerRow, **changes: Any) -> Facts:
    """Return facts of a production whose origin has another commit, with these migrations."""
    main = tree(COMMIT_MAIN, scripts)
    facts = make_facts(*rows, main=main, behind=1, main_app=app({**scripts}), **changes)
    contents = {**facts.git.contents, **{blob(text): text for text in scripts.values()}}
    return replace(facts, git=replace(facts.git, contents=contents))


DIGEST: Final = "d41d8cd98f00b204e9800998ecf8427e"


def proved(*remedies: Remedy, **changes: Any) -> Diagnosis:
    """Return a diagnosis whose remedies were seen to end well on a copy."""
    usual: dict[str, Any] = {
        "remedies": remedies,
        "digest": DIGEST,
        "proof": ("on a copy it ended in the target, in each of 2 objects",),
    }
    return Diagnosis(**{**usual, **changes})


def unproved(*reasons: str, **changes: Any) -> Diagnosis:
    """Return a diagnosis in which nothing was proved."""
    return Diagnosis(**{"unproved": reasons, "digest": DIGEST, **changes})


NO_SCRATCH: Final = "no scratch database on app@db.example.com:5432/school"


def found_by_testimony(facts: Facts) -> Diagnosis:
    """Return what is known where no copy can be made; what nothing is left of is run again."""
    names = tried(facts)
    verdicts = tuple(by_testimony(facts, name) for name in names)
    if any(isinstance(verdict, Undetermined) for verdict in verdicts):
        return unproved(NO_SCRATCH, verdicts=verdicts, tried=False, digest="")
    return proved(*(Remedy("rerun", name) for name in names), verdicts=verdicts)


def rungs_of(script: str) -> tuple[Rung, ...]:
    """Return a script as it is run on a copy."""
    return rungs(statements(script))


def catalog(*objects: str) -> Snapshot:
    """Return a catalog; each object is written `kind id property=value ...`."""
    found: dict[Key, dict[str, str]] = {}
    for text in objects:
        kind, id_, *properties = text.split()
        found[kind, id_] = {"owner": "app", **dict(each.split("=") for each in properties)}
    return Snapshot(found)


def climbed(script: str, *states: Snapshot, error: SqlError | None = None) -> Ladder:
    """Return the ladder of a script: the catalog before it, and after each rung it reached."""
    found = rungs_of(script)
    base, *after = states
    steps = (Step(rung, state, (), ()) for rung, state in zip(found, after, strict=False))
    made = Ladder(base, tuple(steps), found, error)
    assert len(made.steps) == len(after), "more states than statements"
    assert (len(after) < len(found)) == (error is not None)
    return made
