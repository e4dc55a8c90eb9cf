"""Scratch databases: made, marked as ours, and dropped again.

A scratch database is called `ops_scratch_<run>_<label>` and carries a comment with the key of an
advisory lock, which the run holds as long as it lives. What a run that died has left is dropped by
the next one: only databases with that name, that comment, and nobody who holds the key.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from ops.facts.frames import Unknown
from ops.facts.psql_text import literal
from ops.proof.psql import Psql, connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.host.base import Host
    from ops.host.script import HostPath
    from ops.secrets import Secret

LOCK_CLASS: Final = 7303283
"""The first half of the advisory locks that say that a run with scratch databases lives."""
_DROP_ATTEMPTS: Final = 3
_FORCE_SINCE: Final = 130000
"""The version from which on DROP DATABASE knows FORCE."""


class NoScratch(Unknown):
    """Scratch databases cannot be made, so nothing can be proved."""


@dataclass(frozen=True)
class Server:
    """A server for scratch databases, as seen from a machine that reaches it.

    Args:
        host: The machine whose psql and pg_dump are used.
        variables: PG* variables of a database on it, to which we connect to make others.
        path: Directories put before PATH there.
        label: For people.
        holds_production: Whether production's database is on it.
    """

    host: Host
    variables: Mapping[str, str | Secret]
    path: tuple[HostPath, ...]
    label: str
    holds_production: bool = True


class Ground(msgspec.Struct, frozen=True):
    """What the server says of our role and of the database we are connected to.

    Args:
        powers: What the role may do beyond databases.
        provider: Of the locale: `c`, `i` (ICU) or `b` (built in).
        available: Extensions that can be made there.
        leftovers: Scratch databases of runs that are dead.
    """

    version_number: int
    createdb: bool
    powers: list[str]
    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str | None
    available: list[str]
    leftovers: list[str]

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return self.version_number // 10000


@dataclass
class Scratch:
    """The scratch databases of one run. Use `scratch`, which drops them at its end."""

    server: Server
    run: str
    ground: Ground
    admin: Psql
    key: int
    _made: list[str] = field(default_factory=list)

    def create(self, label: str, template: str = "template0") -> str:
        """Make a database and return its name.

        Args:
            label: What it is for; the end of its name.
            template: Another scratch database to copy; nobody may be connected to it.

        Raises:
            NoScratch: The server refused.
        """
        name = f"ops_scratch_{self.run}_{label}"
        settings = "" if template != "template0" else self._locale()
        answer = self.admin.answer(
            self.admin.post(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{settings}')
        )
        if answer.error is not None:
            raise NoScratch(
                f"no scratch database on {self.server.label}: {answer.error}",
                "give the role CREATEDB and room, or name another server: scratch in the inventory",
            )
        self._made.append(name)
        mark = f"COMMENT ON DATABASE \"{name}\" IS 'prisma-ops scratch {self.key}'"
        self.admin.ask(mark, f"marking {name}")
        return name

    @contextmanager
    def connect(self, name: str, settings: str = "") -> Iterator[Psql]:
        """Connect to a scratch database that `create` made."""
        assert name in self._made, name  # noqa: S101 - no other database is ever written to here
        server = self.server
        variables = {**server.variables, "PGDATABASE": name}
        with connect(server.host, variables, server.path, name, settings) as psql:
            if psql.ask("SELECT pg_catalog.current_database()", f"looking at {name}") != (name,):
                raise NoScratch(
                    f"a connection to {name} led to another database: nothing was run there",
                    "name a URL that does not go through a pooler",
                )
            yield psql

    def drop(self, name: str) -> None:
        """Drop a scratch database of this run now. Raises Unknown when the server refuses."""
        self._drop(name)
        self._made.remove(name)

    def drop_all(self) -> None:
        """Drop what this run has made; what cannot be dropped is left to the next run."""
        for _ in range(_DROP_ATTEMPTS):
            for name in [*self._made]:
                with suppress(Unknown):  # a session there takes its time to end
                    self.drop(name)

    def drop_leftovers(self) -> None:
        """Drop what dead runs have left."""
        for name in self.ground.leftovers:
            with suppress(Unknown):  # another run may be doing the same just now
                self._drop(name)

    def _drop(self, name: str) -> None:
        drop = f'DROP DATABASE IF EXISTS "{name}"'
        if self.ground.version_number >= _FORCE_SINCE:
            answer = self.admin.answer(self.admin.post(f"{drop} WITH (FORCE)"))
            if answer.error is None:
                return
        # FORCE needs the right to end every session there, and autovacuum's is nobody's. Without
        # it the server has autovacuum make way by itself, and waits for others to end.
        self.admin.ask(drop, f"dropping {name}")

    def _locale(self) -> str:
        ground = self.ground
        if not self.server.holds_production:  # which may know other locales than production's
            return f" ENCODING {literal(ground.encoding)}"
        texts = {
            "ENCODING": ground.encoding,
            "LC_COLLATE": ground.collate,
            "LC_CTYPE": ground.ctype,
        }
        if ground.provider == "i" and ground.locale:
            texts |= {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": ground.locale}
        elif ground.provider == "b" and ground.locale:
            texts |= {"LOCALE_PROVIDER": "builtin", "BUILTIN_LOCALE": ground.locale}
        return "".join(f" {key} {literal(text)}" for key, text in texts.items())


@contextmanager
def scratch(server: Server, run: str) -> Iterator[Scratch]:
    """Prepare a server for scratch databases; drop them at the end.

    Args:
        server: Where.
        run: The run's id; part of the names.

    Raises:
        NoScratch: Our role may not make databases there, or may do too much. What a script does by
            dynamic SQL no text shows, and on a copy production's own triggers fire: so only a role
            without SUPERUSER, CREATEROLE and the like ever runs anything.
    """
    key = secrets.randbelow(2**31)
    with connect(server.host, server.variables, server.path, server.label) as admin:
        query = resources.files("ops.proof").joinpath("scratch.sql").read_text(encoding="utf-8")
        (line,) = admin.ask(query, f"asking {server.label} about scratch databases")
        ground = msgspec.json.decode(line, type=Ground)
        if not ground.createdb:
            raise NoScratch(
                f"no scratch database on {server.label}: the role may not create databases",
                "ALTER ROLE ... CREATEDB, or name another server: scratch in the inventory",
            )
        if ground.powers:  # a URL may well lead to production's own server
            raise NoScratch(
                f"no scratch database on {server.label}: the role has {', '.join(ground.powers)}, "
                "so what runs there could reach other databases",
                "use a role that owns its database and has CREATEDB, or name another server: "
                "scratch in the inventory",
            )
        admin.ask(f"SELECT pg_try_advisory_lock({LOCK_CLASS}, {key})", "marking this run as alive")
        made = Scratch(server, _name_part(run), ground, admin, key)
        made.drop_leftovers()
        try:
            yield made
        finally:
            made.drop_all()


def _name_part(run: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in run.lower())[:32]
