"""Everything that speaks against starting: one line each, with what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from ops.facts.tools import Tool
from ops.obstacles import obstacles
from ops.plan import Refusal, plan_recover
from ops.steps.backup import RESERVE
from tests.unit.factories import (
    GIB,
    HEART,
    INIT,
    SQL,
    app,
    behind,
    environment,
    found_by_testimony,
    lock,
    make_facts,
    row,
    session,
    tree,
)

POOLED = "postgresql://app:x@db.example.com:6432/school"
BOUNCER = "postgresql://app:x@db.example.com/school?pgbouncer=true"
DIRECT = {"direct_url": {"env_file": "/x", "name": "DIRECT_URL"}}
HEART_PATH = f"Backend/prisma/migrations/{HEART}"


def command(prisma: Any, **scripts: str) -> dict[str, Any]:
    return {"environment": environment(prisma=prisma), "main_app": app(scripts=scripts)}


TABLE: list[tuple[str, dict[str, Any], str]] = [
    # the database
    ("standby", {"standby": True}, "app@db.example.com:5432/school is a standby: name the primary"),
    ("no schema", {"schema_exists": False}, "has no schema `public`: is this the right database?"),
    ("P3005", {"ledger": None}, "has 7 tables but no ledger _prisma_migrations (P3005)"),
    ("empty ledger", {"ledger": []}, "has 7 tables but an empty ledger (P3005)"),
    (
        "another app's ledger",
        {"ledger": [row("20200101000000_shop", b"", state="applied")]},
        "none of the 1 migrations in the ledger of app@db.example.com:5432/school is on main",
    ),
    ("pooler port", {"url": POOLED}, "(database_url) looks like a connection pooler (port 6432"),
    ("pgbouncer", {"url": BOUNCER}, "looks like a connection pooler (pgbouncer=true)"),
    (
        "pooled direct_url",
        {"url": BOUNCER, "environment": environment(**DIRECT)},
        "(direct_url) looks like a connection pooler (pgbouncer=true)",
    ),
    # Prisma
    ("Prisma 8", {"installed": "8.0.0-rc.19"}, "Prisma 8.0 has no `migrate deploy`"),
    ("Prisma 8 on main", {"head": tree(locks=(lock("8.1.0"),))}, "Prisma 8.1 has no `migrate dep"),
    (
        "Prisma is missing",
        {"installed": None, "environment": environment(install="never")},
        "Prisma is not installed on the host (node_modules/prisma): run npm ci there",
    ),
    ("no lock file", {"installed": None, "head": tree(locks=())}, "Prisma is not installed"),
    (
        "node is missing",
        {"node": Tool("", "node is not on the PATH of a non-interactive login")},
        "node: node is not on the PATH of a non-interactive login: name its directory in `path`",
    ),
    # the checkout
    (
        "changed files",
        {"changed": ("Backend/a.ts", "Backend/package-lock.json", "b")},
        "tracked files have changed in /opt/school/repo: Backend/a.ts, b: commit, stash or restore",
    ),
    ("unpushed", {"unpushed": 2}, "main on the host has 2 commits that origin does not have"),
    ("detached", {"branch": None, "ahead": 1}, "HEAD is detached with 1 commits of its own"),
    # the migrations
    ("no schema file", {"main_app": app(schema_found=False)}, "main:Backend/prisma/schema.prisma"),
    (
        "no migrations",
        {"main_app": app({})},
        "there are no migrations in Backend/prisma/migrations",
    ),
    (
        "P3015",
        {"main_app": app({**SQL, "x": None})},
        "Backend/prisma/migrations/x has no migration",
    ),
    (
        "untracked",
        {"directories": ("Backend/prisma/migrations/by hand",)},
        "Backend/prisma/migrations/by hand is not in git, but Prisma would run it",
    ),
    (
        "P3019",
        {"main_app": app(lock_provider="mysql")},
        "migration_lock.toml says mysql, the schema postgresql (P3019)",
    ),
    (
        "P3019, unreadable",
        {"main_app": app(lock_provider="")},
        "no line that Prisma can read (P3019)",
    ),
    (
        "MySQL",
        {"main_app": app(provider="mysql", lock_provider="mysql")},
        "provider is mysql: this",
    ),
    (
        "another variable",
        {"main_app": app(url_variables=("DATABASE_URL", "DIRECT_URL"))},
        "Prisma reads its URL from DIRECT_URL, the inventory gives DATABASE_URL: set `name`, or",
    ),
    (
        "no variable",
        {"main_app": app(url_variables=())},
        "neither the schema nor prisma.config says from which variable Prisma reads its URL",
    ),
    (
        "a literal URL",
        {"main_app": app(url_variables=("a text in the schema itself",))},
        "Prisma reads its URL from a text in the schema itself, the inventory gives DATABASE_URL",
    ),
    # the deploy command
    (
        "resets first",
        command("npm run db", db="prisma migrate reset --force && prisma migrate deploy"),
        "`npm run db` does more than `prisma migrate deploy` (several commands)",
    ),
    (
        "another database",
        command("npm run db", db="DATABASE_URL=postgresql://x prisma migrate deploy"),
        "does more than `prisma migrate deploy` (it sets DATABASE_URL)",
    ),
    (
        "overrides",
        command("npm run db", db="dotenv -o -e .env.staging -- prisma migrate deploy"),
        "does more than `prisma migrate deploy` (-o)",
    ),
    (
        "a hook of npm",
        command("npm run db", db="prisma migrate deploy", predb="prisma migrate reset"),
        "does more than `prisma migrate deploy` (predb)",
    ),
    ("no script", command("npm run db"), "`npm run db`: package.json has no such script"),
    ("no script's name", command("npm run"), "`npm run`: package.json has no such script"),
    (
        "not deploy",
        command("npm run db", db="prisma migrate dev"),
        "`npm run db` does not run `prisma migrate deploy`, but: prisma migrate dev",
    ),
    ("db push", command("npx prisma db push"), "`npx prisma db push` does not run `prisma migrate"),
    ("words apart", command("prisma deploy migrate"), "does not run `prisma migrate deploy`"),
    (
        "other schema",
        command("npm run db", db="prisma migrate deploy --schema=db/schema.prisma"),
        "`npm run db` uses the schema db/schema.prisma, the inventory prisma/schema.prisma",
    ),
    (
        "other schema, quoted",
        command("npm run db", db="prisma migrate deploy --schema 'my db/schema.prisma'"),
        "`npm run db` uses the schema my db/schema.prisma, the inventory",
    ),
    (
        "other schema in an argument",
        command("npm run db -- --schema db/s.prisma", db="prisma migrate deploy"),
        "uses the schema db/s.prisma, the inventory",
    ),
    (
        "default schema",
        {"environment": environment(prisma="prisma migrate deploy", schema="db/s.prisma")},
        "uses the schema prisma/schema.prisma, the inventory db/s.prisma",
    ),
    (
        "open quote",
        command("prisma 'migrate deploy"),
        "cannot be read as a command: No closing quot",
    ),
    ("open quote in a script", command("npm run db", db="'x"), "cannot be read as a command"),
    # the backup
    (
        "pg_dump is missing",
        {"pg_dump": Tool("", "pg_dump is not on the PATH")},
        "pg_dump: pg_dump is not on the PATH: install it, or name its directory in `path`",
    ),
    (
        "pg_dump is too old",
        {"pg_dump": Tool("15.4")},
        "pg_dump 15.4 cannot dump a server of version 16.14: install postgresql-client-16",
    ),
    (
        "disk",
        {"free_backups": GIB + RESERVE - 1},
        "/opt/school/backups: 1279 MiB free, 1280 MiB wanted for the backup",
    ),
]


@pytest.mark.parametrize(
    ("changes", "line"), [case[1:] for case in TABLE], ids=[c[0] for c in TABLE]
)
def test_an_obstacle_is_one_line_and_stops_a_recovery(changes: dict[str, Any], line: str) -> None:
    # With an explicit ledger the rows are part of it.
    facts = make_facts(row(), **changes)
    found = obstacles(facts)
    assert len(found) == 1, found
    assert line in found[0]
    assert "\n" not in found[0]
    decision = plan_recover(facts, found_by_testimony(facts), "a reason does not help")
    if facts.database.ledger:
        assert isinstance(decision, Refusal)
        assert decision.reasons == found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"changed": ("Backend/package-lock.json", "yarn.lock", "a/pnpm-lock.yaml")},
        {"branch": "hotfix", "ahead": 1},
        {"branch": None, "behind": 3},
        {"url": POOLED, "environment": environment(**DIRECT)},
        {"pg_dump": Tool("17.0")},
        {"free_backups": GIB + RESERVE},
        {"installed": None},
        {"installed": "7.10.1"},
        {"installed": None, "node": Tool("", "x"), "environment": environment(prisma=["x", "y"])},
        {"main_app": app({**SQL, INIT: None})},
        {"directories": (f"Backend/prisma/migrations/{INIT}", "Backend/other/x")},
        {"main_app": app({INIT: SQL[INIT]}), "directories": (HEART_PATH,)},
        {"main_app": app(lock_provider=None)},
        {"main_app": app(provider="", lock_provider="mysql")},
        command("npm run db", db="prisma migrate deploy"),
        command("npm run-script db", db="prisma migrate deploy --schema=./prisma/schema.prisma"),
        command(
            "yarn db", db="dotenv -e .env -- prisma migrate deploy --schema prisma/schema.prisma"
        ),
        command("pnpm run db -- --schema=prisma/schema.prisma", db="prisma migrate deploy"),
        command("npx prisma migrate deploy"),
        command("pnpm prisma migrate deploy --schema"),
        {
            "environment": environment(prisma="npm run db", schema="my db/s.prisma"),
            "main_app": app(scripts={"db": 'prisma migrate deploy --schema="my db/s.prisma"'}),
        },
        {"sessions": [session()]},
    ],
)
def test_these_are_no_obstacles(changes: dict[str, Any]) -> None:
    assert obstacles(make_facts(row(), **changes)) == ()


def test_a_migration_that_lies_in_the_way_of_the_checkout_is_named() -> None:
    new = "20240501000000_new"
    path = f"Backend/prisma/migrations/{new}"
    facts = behind({**SQL, new: b"SELECT 1"}, row(), directories=(path, HEART_PATH))
    (line,) = obstacles(facts)
    assert line.startswith(f"{path} lies on the host without git's knowing, and comes in with main")


def test_all_obstacles_are_named_at_once() -> None:
    facts = make_facts(row(), standby=True, unpushed=1, pg_dump=Tool("", "x"), schema_exists=False)
    assert len(obstacles(facts)) == 4
