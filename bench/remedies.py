"""Remedies carried out for real on interrupted migrations, and what production looks like then.

Each case is a host with a git repository, Prisma's ledger and a database in which a migration
stopped after some of its rungs. The tool's own facts, diagnosis and plan say what to do; the plan's
steps that run SQL are run as they are. What Prisma itself would run, a script from its start, is
run statement by statement, as Prisma does since 7.4.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bench.ground import ROLE, SETTINGS
from bench.states import fresh, run_rung
from ops.errors import OpsError
from ops.facts.catalog import describe, differences
from ops.facts.frames import Unknown
from ops.facts.gather import Facts, gather
from ops.facts.psql_text import literal
from ops.host.local import LocalHost
from ops.inventory import Environment
from ops.plan import Plan, plan_recover
from ops.proof.diagnosis import diagnose
from ops.proof.ladder import Ladder, climb, snapshot
from ops.proof.rows import content
from ops.proof.shadow import run_stepwise
from ops.sandbox.postgres import ADDRESS
from ops.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bench.ground import Ground
    from ops.proof.psql import Psql
    from ops.proof.remedy import Diagnosis
    from ops.proof.scratch import Scratch
    from ops.proof.shadow import Replay

APP: Final = "server"
PRISMA: Final = "7.10.1"
"""It sends single statements, so that every state is possible."""
_CONFIG: Final = """import { defineConfig, env } from 'prisma/config'

export default defineConfig({
  schema: 'prisma/schema.prisma',
  datasource: { url: env('DATABASE_URL') },
})
"""
_LEDGER: Final = """
CREATE TABLE _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
  migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
"""
_SHOWN: Final = 5
_LONGEST: Final = 400
OURS: Final = ("resume", "drop-invalid")
"""The steps of a plan that run SQL of a migration, and not Prisma."""

End = Literal["arrived", "refused", "other rows", "astray"]
ENDS: Final[tuple[End, ...]] = ("arrived", "refused", "other rows", "astray")
KINDS: Final = ("resume", "rerun", "mark applied")


@dataclass(frozen=True)
class Case:
    """A state to recover from: script `number`, counted from 0, stopped after `done` rungs."""

    number: int
    done: int


@dataclass(frozen=True)
class Remedied:
    """How a recovery ended.

    Args:
        migration: Its name.
        done: How many of its rungs were in.
        count: How many it has.
        kinds: The remedies that were proved, and carried out.
        end: `astray` when a remedy was proved, and production is not the target after it; `other
            rows` when it is, but the rows are not those of a run from start to end, as where a
            script writes the time.
        why: What is not as it should be.
    """

    migration: str
    done: int
    count: int
    kinds: str
    end: End
    why: str = ""


def cases(scripts: Sequence[Replay], count: int, seed: int) -> list[Case]:
    """Choose states between the first and the last of a script, by chance; in order."""
    possible = [
        Case(number, done)
        for number, script in enumerate(scripts)
        for done in range(1, len(script.rungs()))
    ]
    chosen = random.Random(seed).sample(possible, min(count, len(possible)))
    return sorted(chosen, key=lambda case: (case.number, case.done))


class AppHost:
    """A checkout with one commit per migration, and the environment of a login there."""

    def __init__(self, root: Path, place: Ground, scripts: Sequence[Replay]) -> None:
        self._root = root
        self._place = place
        self._repo = root / "repo"
        (root / "home").mkdir(parents=True)
        self._variables = {
            "PATH": f"{place.bin}:{os.environ['PATH']}",
            "HOME": str(root / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "SHELL": "/bin/sh",
            **{f"GIT_{who}_NAME": "App" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "app@example.com" for who in ("AUTHOR", "COMMITTER")},
        }
        subprocess.run(["git", "init", "--quiet", "-b", "main", str(self._repo)], check=True)
        self._git("remote", "add", "origin", str(root / "origin.git"))
        self._write_app()
        self._commits = [self._commit(script) for script in scripts]
        package = self._repo / APP / "node_modules" / "prisma" / "package.json"
        package.parent.mkdir(parents=True)
        package.write_text(json.dumps({"name": "prisma", "version": PRISMA}, indent=2))

    @property
    def host(self) -> LocalHost:
        """The machine."""
        return LocalHost(self._variables)

    def _git(self, *words: str) -> str:
        command = ["git", "-C", str(self._repo), *words]
        done = subprocess.run(
            command, env=self._variables, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def _write(self, path: str, text: str) -> None:
        file = self._repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())

    def _write_app(self) -> None:
        packages = {
            "": {"devDependencies": {"prisma": PRISMA}},
            "node_modules/prisma": {"version": PRISMA, "dev": True},
        }
        self._write(".gitignore", "node_modules\n")
        self._write(f"{APP}/package.json", json.dumps(packages[""]))
        lock = {"lockfileVersion": 3, "packages": packages}
        self._write(f"{APP}/package-lock.json", json.dumps(lock))
        schema = 'datasource db {\n  provider = "postgresql"\n}\n'
        self._write(f"{APP}/prisma/schema.prisma", schema)
        self._write(f"{APP}/prisma.config.ts", _CONFIG)
        lock_file = f"{APP}/prisma/migrations/migration_lock.toml"
        self._write(lock_file, 'provider = "postgresql"\n')

    def _commit(self, script: Replay) -> str:
        self._write(f"{APP}/prisma/migrations/{script.name}/migration.sql", script.text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", script.name)
        return self._git("rev-parse", "HEAD")

    def stand_at(self, number: int) -> None:
        """Check out, here and on origin, the commit that brought a script."""
        self._git("reset", "--quiet", "--hard", self._commits[number])
        self._git("update-ref", "refs/remotes/origin/main", self._commits[number])

    def facts(self, database: str) -> Facts:
        """Gather the facts, as the tool does, with a database as production."""
        place = self._place
        env_file = self._root / ".env"
        url = f"postgresql://{ROLE}:{place.password}@{ADDRESS}:{place.port}/{database}"
        env_file.write_text(f"DATABASE_URL='{url}'\n")
        found = {
            "hosts": [{"host": "app.example.com"}],
            "repo": str(self._repo),
            "app": APP,
            "database_url": {"env_file": str(env_file)},
            "backups": str(self._root / "backups"),
            "path": [str(place.bin)],
        }
        environment = msgspec.convert(found, Environment)
        return gather(self.host, environment, Redactor(), fetch=False)


def carried_out(
    made: Scratch, app: AppHost, scripts: Sequence[Replay], chosen: Sequence[Case]
) -> Iterator[Remedied]:
    """Recover from each state, on a production database of its own."""
    with fresh(made, "template") as template:
        with made.connect(template, SETTINGS) as psql:
            psql.ask(_LEDGER, "making the ledger")
        built = 0
        for number, together in groupby(chosen, key=lambda case: case.number):
            with made.connect(template, SETTINGS) as psql:
                for script in scripts[built:number]:
                    if stop := run_stepwise(psql, script.rungs()):
                        raise Unknown(f"{script.name}, line {stop.line}: {stop.error}")
                    psql.ask(_row(script, finished=True), "writing the ledger")
            built = number
            app.stand_at(number)
            with fresh(made, "ladder", template) as copy, made.connect(copy, SETTINGS) as psql:
                ladder = climb(psql, scripts[number].rungs())
                psql.settle()
                rows = _rows(psql)
            for case in together:
                with (
                    fresh(made, "production", template) as name,
                    made.connect(name, SETTINGS) as psql,
                ):
                    found = _recovered(app, psql, name, scripts[number], case.done, ladder)
                    others = rows ^ _rows(psql) if found.end == "arrived" else ()
                    if others:
                        why = ", ".join(sorted({line.partition("|")[0] for line in others}))
                        found = replace(found, end="other rows", why=f"in {why}")
                    yield found


def _rows(psql: Psql) -> frozenset[str]:
    """Return a line for each table and sequence; the first word is its name, then a digest."""
    lines = content(psql).splitlines()
    return frozenset(line for line in lines if not line.startswith("_prisma_migrations|"))


def _recovered(
    app: AppHost, psql: Psql, production: str, script: Replay, done: int, ladder: Ladder
) -> Remedied:
    """Bring production to a state, and recover from there."""
    try:
        return _recovery(app, psql, production, script, done, ladder)
    except OpsError as error:  # what the tool says of it is the answer
        why = f"{type(error).__name__}: {error.message}"
        return Remedied(script.name, done, len(ladder.rungs), "", "refused", why)


def _recovery(
    app: AppHost, psql: Psql, production: str, script: Replay, done: int, ladder: Ladder
) -> Remedied:
    def ended(end: End, kinds: str, why: Iterable[str] = ()) -> Remedied:
        return Remedied(script.name, done, len(ladder.rungs), kinds, end, "; ".join(why))

    for rung in ladder.rungs[:done]:
        if error := run_rung(psql, rung):
            return ended("refused", "", [f"this state cannot be made: {error}"])
    psql.settle()
    psql.ask(_row(script, finished=False), "writing the ledger")
    facts = app.facts(production)
    found = diagnose(facts, app.host, "bench")
    if found.unproved or found.target is None:
        verdicts = (type(verdict).__name__ for verdict in found.verdicts)
        return ended("refused", "", (*verdicts, *found.unproved))
    kinds = ", ".join(remedy.kind for remedy in found.remedies)
    plan = plan_recover(facts, found)
    if not isinstance(plan, Plan):
        return ended("refused", kinds, getattr(plan, "reasons", (type(plan).__name__,)))
    if problem := _carry_out(app, psql, plan, found, script):
        return ended("astray", kinds, [problem])
    now = snapshot(psql, "production")
    target = differences(now, found.target, found.touched)
    whole = differences(now, ladder.top)
    lines = [describe(each, "production", "the target") for each in target]
    lines += [describe(each, "production", "the ladder's top") for each in whole]
    return ended("astray" if lines else "arrived", kinds, lines[:_SHOWN])


def _carry_out(app: AppHost, psql: Psql, plan: Plan, found: Diagnosis, script: Replay) -> str:
    """Do what the plan says; return what went wrong, or nothing."""
    for step in plan.steps:
        if step.name in OURS:
            ran = app.host.run(step.script)
            said = (ran.stdout + ran.stderr).decode(errors="replace").strip()
            if ran.exit_code or not all(text in said for text in step.success):
                return f"{step.name}: exit code {ran.exit_code}: {said[-_LONGEST:]}"
    for remedy in found.remedies:
        if remedy.kind == "rerun" and (stop := run_stepwise(psql, script.rungs())):
            return f"{script.name}, line {stop.line}: {stop.error}"
    return ""


def _row(script: Replay, *, finished: bool) -> str:
    """Return the INSERT of what Prisma writes of an attempt: when it has ended, or been killed."""
    digest = sha256(script.text.encode()).hexdigest()
    end = "now()" if finished else "NULL"
    return (
        "INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, "
        f"applied_steps_count) VALUES (gen_random_uuid(), '{digest}', {end}, "
        f"{literal(script.name)}, {int(finished)})"
    )
