"""The harness for whole verdicts: production made for real, facts around it, and a second opinion.

A case says what was applied, what was attempted, and what production got of it. `Trial` makes that
database on a server, has `diagnose` judge it, and afterwards looks at production again. Where a
remedy was proved, it is carried out on production, which must then be as if the script had run
once: so a verdict is checked by rows and by pg_dump, and not by the tool's own view of a catalog.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ops.host.local import LocalHost
from ops.proof.diagnosis import diagnose
from ops.proof.statements import rungs, statements
from ops.sandbox.postgres import Binaries, Cluster, binaries
from tests.facts_cases import PASSWORD, Server
from tests.unit.factories import (
    COMMIT_HEAD,
    COMMIT_MAIN,
    FAILED_AT,
    PULLED,
    app,
    blob,
    environment,
    lock,
    logs,
    make_facts,
    past,
    row,
    tree,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.facts.gather import Facts
    from ops.proof.remedy import Diagnosis, Remedy

DEBIAN: Final = Path("/usr/lib/postgresql/15/bin")
PER_STATEMENT: Final = "7.5.0"
ONE_QUERY: Final = "6.19.3"
FAILED: Final = "20240201000000_failed"
SECOND: Final = "20240202000000_second"
LATER: Final = "20240301000000_later"
USERS: Final = "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL, age int);"
PEOPLE: Final = "INSERT INTO users VALUES (1, 'a', 30), (2, 'b', 40);"
_LEDGER: Final = """CREATE TABLE _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
  migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)"""
_OF_THE_DUMP: Final = re.compile(r"^(?:--|\\(?:un)?restrict |SELECT pg_catalog\.setval)")
"""Comments, a key by chance; and sequences, which a statement that is run twice may move."""


def error(code: str, message: str, name: str = FAILED) -> str:
    """Return the ledger's logs of a script that the database refused."""
    return logs(name, code, message=message)


@dataclass(frozen=True)
class Case:
    """One failed migration, and what must be found out about it.

    Args:
        name: Of the test and of the database.
        script: As it was attempted.
        done: How many of its statements production got.
        hand: What somebody ran on production after that.
        earlier: What an attempt before that ran, which was recorded as rolled back.
        fails: What was run then and failed, leaving what it leaves.
        then: What somebody ran after that.
        base: The applied migrations.
        truth: What production has in place of `base`.
        rows: What production holds before the attempt.
        logs: What the ledger has of it.
        steps: `applied_steps_count`.
        engine: Prisma's version.
        main: The script as the branch has it, if it is another one.
        later: A migration on the branch that was never tried.
        second: Another failed migration, and how many of its statements are in.
        tried: Whether there was an attempt at all.
        role: Who the URL says we are.
        verdict: The name of its class; empty for none.
        at: `done`, or the candidates.
        says: What the differences, the evidence and the doubts hold.
        remedy: What is proved; empty where it must be refused.
        refused: What the reasons hold.
        notes: What the notes hold.
        ideal: What makes production as it must be in the end, in place of the script.
    """

    name: str
    script: str
    done: int = 0
    hand: str = ""
    earlier: str = ""
    fails: str = ""
    then: str = ""
    base: tuple[str, ...] = (USERS,)
    truth: str | None = None
    rows: str = PEOPLE
    logs: str | None = None
    steps: int = 0
    engine: str = PER_STATEMENT
    main: str | None = None
    later: str = ""
    second: tuple[str, int] | None = None
    tried: bool = True
    role: str = "app"
    verdict: str = ""
    at: tuple[int, ...] = ()
    says: tuple[str, ...] = ()
    remedy: str = ""
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ideal: str | None = None

    @property
    def on_main(self) -> str:
        """The script as the branch has it."""
        return self.script if self.main is None else self.main

    def texts(self, script: str) -> list[str]:
        """Return a script's statements; a block that it opens itself is one."""
        return [
            ";".join(statement.text for statement in rung.statements)
            for rung in rungs(statements(script))
        ]


class ProofServer(Server):
    """A server of one version, with roles that may do less and more than the app's."""

    def __init__(self, folder: Path, version: str) -> None:
        source = Binaries(version, DEBIAN) if version == "15" else binaries(version)
        self.bin = source.folder
        self.version = version
        self._cluster = Cluster.place(folder, source)
        self._cluster.create()
        roles = ("postgres", "app", "poor", "strong")
        self._cluster.set_passwords(dict.fromkeys(roles, PASSWORD))
        self._process, self.port = self._cluster.start()
        self._blanks: set[str] = set()
        self.sql(
            "ALTER ROLE poor NOCREATEDB; ALTER ROLE strong CREATEROLE; "
            "CREATE ROLE reader; GRANT app TO poor, strong; ALTER SYSTEM SET autovacuum = off; "
        )
        self.sql("SELECT pg_reload_conf()")

    def run(
        self, texts: Sequence[str], database: str, user: str = "app", *, check: bool = True
    ) -> None:
        """Send each text as one simple query, as Prisma does."""
        words = [word for text in texts if text.strip() for word in ("-c", text)]
        if not words:
            return
        done = subprocess.run(
            [self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *words],
            env=self.variables(database, user),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is check, done.stderr

    def make(self, name: str, owner: str) -> None:
        """Make a database that belongs to a role, with a ledger."""
        blank = f"blank_{owner}"
        if blank not in self._blanks:
            self._blanks.add(blank)
            self.sql(f'CREATE DATABASE "{blank}" OWNER {owner} TEMPLATE template0')
            self.run([_LEDGER], blank, owner)
        self.sql(f'CREATE DATABASE "{name}" OWNER {owner} TEMPLATE "{blank}"')

    def dump(self, database: str) -> list[str]:
        """Return everything that pg_dump knows of a database, sorted: rows have no order."""
        done = subprocess.run(
            [self.bin / "pg_dump", "--inserts", database],
            env=self.variables(database),
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(line for line in done.stdout.splitlines() if not _OF_THE_DUMP.match(line))

    def invalid(self, database: str) -> str:
        """Return the INVALID indexes, which pg_dump leaves out."""
        return self.sql(
            "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid ORDER BY 1", database
        )

    def scratch(self) -> str:
        """Return the scratch databases that are there."""
        return self.sql(r"SELECT datname FROM pg_database WHERE datname LIKE 'ops\_scratch\_%'")


class Trial:
    """One case on one server."""

    def __init__(self, case: Case, server: ProofServer) -> None:
        self.case = case
        self.server = server
        self.database = f"case_{case.name}"[:40]

    def prepare(self) -> None:
        """Make production as the attempt left it."""
        case, owner = self.case, self.case.role
        texts = [*case.texts(case.earlier), *case.texts(case.script)[: case.done], case.hand]
        if case.second:
            script, done = case.second
            texts = [*texts[:-1], *case.texts(script)[:done], case.hand]
        self._with_base(self.database, texts)
        if case.fails:
            self.server.run([case.fails], self.database, owner, check=False)
        self.server.run([case.then], self.database, owner)

    def _with_base(self, database: str, texts: Sequence[str]) -> None:
        """Make a database with what was there before the attempt, and run texts on it."""
        case = self.case
        self.server.make(database, case.role)
        base = case.base if case.truth is None else (case.truth,)
        self.server.run([*base, case.rows, *texts], database, case.role)

    def facts(self) -> Facts:
        """Return what is true of it."""
        case = self.case
        applied = {f"202401{n:02}000000_base": text.encode() for n, text in enumerate(case.base, 1)}
        tried = {FAILED: case.script.encode()} if case.tried else {}
        tried |= {SECOND: case.second[0].encode()} if case.second else {}
        ledger = [row(name, text, state="applied", at=PULLED) for name, text in applied.items()]
        if case.earlier:
            before, text = FAILED_AT - timedelta(minutes=5), case.earlier.encode()
            ledger.append(row(FAILED, text, state="rolled back", at=before, logs=None))
        ledger += [
            row(name, text, at=FAILED_AT, logs=case.logs, applied_steps_count=case.steps)
            for name, text in tried.items()
        ]
        here = {**applied, **tried}
        there = {**here, FAILED: case.on_main.encode()}
        there |= {LATER: case.later.encode()} if case.later else {}
        if not case.on_main:
            del there[FAILED]
        locks = (lock(case.engine),)
        changes: dict[str, Any] = {
            "ledger": ledger,
            "main": tree(COMMIT_MAIN, there, locks),
            "head_app": app({**here}),
            "main_app": app({**there}),
            "past": {COMMIT_HEAD: past(tuple(here.values()), locks)},
            "contents": {
                blob(text): text
                for text in (*here.values(), *there.values(), case.earlier.encode())
            },
            "environment": environment(path=[str(self.server.bin)]),
            "product": f"PostgreSQL {self.server.version}.0 on x86_64-pc-linux-gnu",
        }
        url = f"postgresql://{case.role}:{PASSWORD}@127.0.0.1:{self.server.port}/{self.database}"
        return make_facts(
            head=tree(COMMIT_HEAD, here, locks), url=url, installed=case.engine, **changes
        )

    def diagnose(self) -> Diagnosis:
        """Have it judged; production must be as before, and nothing else left."""
        before = self._state()
        host = LocalHost({"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")})
        found = diagnose(self.facts(), host, self.database)
        assert self.server.scratch() == ""
        assert self._state() == before
        return found

    def _state(self) -> tuple[list[str], str]:
        invalid = self.server.invalid(self.database) if self.case.fails else ""
        return self.server.dump(self.database), invalid

    def check(self, found: Diagnosis) -> None:
        """Compare what was found with what the case says."""
        case = self.case
        shown = show(found)
        assert [type(each).__name__ for each in found.verdicts[:1]] == [
            *filter(None, [case.verdict])
        ], shown
        for verdict in found.verdicts[:1]:
            reached = getattr(verdict, "candidates", None) or (getattr(verdict, "done", None),)
            assert not case.at or reached == case.at, shown
            words = " | ".join((*verdict.evidence, *getattr(verdict, "differences", ())))
            assert all(text in words for text in case.says), shown
        if case.remedy:
            assert found.proved, shown
            kinds = " ".join(remedy.kind for remedy in found.remedies)
            assert (kinds or "none needed") == case.remedy, shown
        else:
            assert not found.proved, shown
            assert not found.remedies, shown
        reasons = " | ".join(found.unproved)
        assert all(text in reasons for text in case.refused), shown
        assert all(text in " | ".join(found.notes) for text in case.notes), shown

    def carry_out(self, found: Diagnosis) -> None:
        """Do to production what was proved: it must become what the script once run would make."""
        case = self.case
        by_name = {remedy.name: remedy for remedy in found.remedies}
        for name, script in self._pending():
            self._mend(by_name.get(name), script)
        ideal = f"{self.database}_ideal"
        wanted = [script for _, script in self._pending()] if case.ideal is None else [case.ideal]
        texts = [text for script in wanted for text in case.texts(script)]
        self._with_base(ideal, texts)
        assert self.server.dump(self.database) == self.server.dump(ideal)
        assert self.server.invalid(self.database) == ""

    def _pending(self) -> list[tuple[str, str]]:
        case = self.case
        scripts = [(FAILED, case.on_main)] if case.on_main else []
        scripts += [(SECOND, case.second[0])] if case.second else []
        return scripts + ([(LATER, case.later)] if case.later else [])

    def _mend(self, remedy: Remedy | None, script: str) -> None:
        case, server = self.case, self.server
        for index in remedy.drop if remedy else ():
            server.run([f"DROP INDEX CONCURRENTLY {index}"], self.database, case.role)
        if remedy and remedy.kind == "mark applied":
            return
        if remedy and remedy.kind == "resume":
            texts = [";".join(each.text for each in rung.statements) for rung in remedy.rest]
        elif case.engine == ONE_QUERY:
            texts = [script]
        else:
            texts = case.texts(script)
        server.run(texts, self.database, case.role)


def show(found: Diagnosis) -> str:
    """Return a diagnosis for people."""
    lines = []
    for verdict in found.verdicts:
        reached = getattr(verdict, "candidates", None) or getattr(verdict, "done", "")
        lines.append(f"{type(verdict).__name__} {reached}")
        lines += (f"  {text}" for text in verdict.evidence)
        lines += (f"  {text}" for text in getattr(verdict, "differences", ()))
    lines += (f"{remedy.kind} {remedy.name} drop {remedy.drop}" for remedy in found.remedies)
    lines += (f"unproved: {text}" for text in found.unproved)
    lines += (f"note: {text}" for text in found.notes)
    return "\n".join(("", *lines))
