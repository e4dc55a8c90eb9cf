"""A production host on the loopback: brought up, broken in a named way, and gone again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, cast, get_args

from ops.errors import UsageError
from ops.sandbox import base, named, packages, process
from ops.sandbox import ssh as ssh_server
from ops.sandbox.cache import cached
from ops.sandbox.database import Database, Login
from ops.sandbox.host import Host
from ops.sandbox.incidents import RUNNING_FOR, incident
from ops.sandbox.layout import Layout
from ops.sandbox.modes import Mode, mode
from ops.sandbox.node import Node, find_node
from ops.sandbox.postgres import ADDRESS, MAJORS, SUPERUSER, Binaries, Cluster, binaries
from ops.sandbox.ssh import Kind as SshKind
from ops.sandbox.state import State

if TYPE_CHECKING:
    from types import TracebackType

Say = Callable[[str], None]

APP_ROLE: Final = "schooliat"
"""The role of the app, and the name of its database, in a cluster of our own."""

INVENTORY: Final = """\
environments:
  sandbox:
    ssh_config: ssh_config
    hosts: [{host: sandbox}]
    repo: ~/schooliat/repo
    branch: main
    app: Backend
    schema: src/prisma/db/schema.prisma
    database_url: {env_file: ~/schooliat/shared/.env, name: DATABASE_URL}
    backups: ~/schooliat/shared/backups
    path: [~/bin]
    confirm: false
"""


def default_root() -> Path:
    """`$OPS_SANDBOX`, or `.sandbox` in the current directory."""
    return Path(os.environ.get("OPS_SANDBOX") or ".sandbox").absolute()


def _silent(_line: str) -> None:
    """Say nothing."""


class Sandbox:
    """One sandbox that is up.

    As a context manager it is down at the end of the block.
    """

    def __init__(self, layout: Layout, state: State, say: Say = _silent) -> None:
        self._layout = layout
        self._state = state
        self._say = say
        self._is_down = False

    @classmethod
    def up(
        cls,
        root: Path | None = None,
        *,
        incident: str = "healthy",
        prisma: int = 6,
        engine: str = "one-query",
        ssh: str = "auto",
        postgres: str = "16",
        password: str | None = None,
        seconds: float = RUNNING_FOR,
        say: Say = _silent,
    ) -> Self:
        """Bring up a sandbox and break it.

        Args:
            root: Its directory; `default_root()` where none is given. Missing or empty.
            incident: What is wrong with it.
            prisma: Major version: 6 or 7.
            engine: `one-query` or `per-statement`.
            ssh: `openssh`, `builtin`, or `auto`.
            postgres: `16`, `18`, or the URL of a server whose role may create roles and databases.
            password: The app's role's; random where none is given.
            seconds: How long the incident `running` stays so.
            say: Gets a line for each thing worth knowing.

        Raises:
            UsageError: There is one already, or an argument is wrong. Nothing was made.
            StepFailed: Something did not start. Everything that had been made is gone again.
        """
        layout = Layout((root or default_root()).absolute())
        kind = _check_arguments(incident, mode(prisma, engine), ssh, password)
        _check_free(layout)
        node = find_node()
        named_server = "://" in postgres
        if not named_server:
            binaries(postgres)
        state = State(
            prisma=prisma,
            engine=engine,
            incident="healthy",
            postgres="named" if named_server else postgres,
            clients=max(MAJORS) if named_server else postgres,
        )
        layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        box = cls(layout, state, say)
        try:
            box._save()
            box._bring_up(node, postgres, password or secrets.token_urlsafe(18), incident)
            if incident != state.incident:  # it may have come from the cache
                box.break_(incident, seconds=seconds)
            box._start_ssh(kind, node)
            layout.inventory.write_text(INVENTORY)
            state.ready = True
            box._save()
        except BaseException:
            box.down()
            raise
        return box

    @classmethod
    def at(cls, root: Path | None = None, *, say: Say = _silent) -> Self:
        """Return the sandbox that is up in this directory.

        Raises:
            UsageError: There is none.
        """
        layout = Layout((root or default_root()).absolute())
        state = State.load(layout.state)
        if state is None:
            raise UsageError(f"no sandbox is up in {layout.root}", "ops sandbox up")
        return cls(layout, state, say)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def __repr__(self) -> str:
        return f"Sandbox({str(self.root)!r}, prisma={self.mode.name}, {self._state.incident})"

    @property
    def root(self) -> Path:
        """The sandbox's directory."""
        return self._layout.root

    @property
    def inventory(self) -> Path:
        """An inventory with the one environment `sandbox`."""
        return self._layout.inventory

    @property
    def repo(self) -> Path:
        """The host's checkout."""
        return self._layout.repo

    @property
    def app(self) -> Path:
        """Where package.json lies in the host's checkout."""
        return self._layout.app

    @property
    def origin(self) -> Path:
        """The bare repository that the host fetches from."""
        return self._layout.origin

    @property
    def developer(self) -> Path:
        """The checkout from which commits are pushed to the origin."""
        return self._layout.developer

    @property
    def home(self) -> Path:
        """HOME of the SSH user on the host."""
        return self._layout.home

    @property
    def env_file(self) -> Path:
        """The file on the host that sets DATABASE_URL."""
        return self._layout.env_file

    @property
    def backups(self) -> Path:
        """Where the host keeps its backups."""
        return self._layout.backups

    @property
    def mode(self) -> Mode:
        """Its Prisma, and how that sends scripts."""
        return mode(self._state.prisma, self._state.engine)

    @property
    def incident(self) -> str:
        """What was made to happen."""
        return self._state.incident

    @property
    def ssh_kind(self) -> str:
        """`openssh` or `builtin`."""
        return self._state.ssh.kind if self._state.ssh else ""

    @property
    def database(self) -> Database:
        """The app's database."""
        state = self._state
        return Database(
            state.host,
            state.port,
            state.database,
            Login(*state.owner),
            Login(*state.app),
            binaries(state.clients),
            state.parameters,
        )

    @property
    def database_url(self) -> str:
        """The app's DATABASE_URL. A secret."""
        return self.database.url()

    @property
    def psql_env(self) -> Mapping[str, str]:
        """The PG* variables of the sandbox's own role. They hold its password."""
        return self.database.psql_env(self.database.owner)

    @property
    def environment(self) -> Mapping[str, str]:
        """What sessions on the host have besides HOME and PATH."""
        return self._host(find_node()).environment()

    def sql(self, text: str) -> list[tuple[str | None, ...]]:
        """Run SQL as the sandbox's own role; the rows of all queries, as text, NULL as None.

        Raises:
            StepFailed: A statement failed.
        """
        return self.database.sql(text)

    def break_(self, name: str, *, seconds: float = RUNNING_FOR) -> None:
        """Make an incident happen on a healthy host.

        Args:
            name: The incident.
            seconds: How long `running` stays so.

        Raises:
            UsageError: No such incident, not in this mode, or another one has happened here.
            StepFailed: It did not fail as it was to.
        """
        chosen = incident(name)
        if self._state.incident != "healthy":
            raise UsageError(
                f"this sandbox is broken already: {self._state.incident}",
                f"ops sandbox down, then: ops sandbox up --incident {name}",
            )
        chosen.check(self.mode)
        if name != "healthy":
            self._say(f"breaking it: {chosen.name}")
        self._state.incident = name
        self._save()
        self._state.processes |= chosen.make(self._host(find_node()), seconds)
        self._save()

    def release(self) -> None:
        """End the session that a running deploy waits for: the deploy goes on at once."""
        self.database.release()

    def down(self) -> None:
        """End everything that the sandbox runs, and remove everything that it made.

        A second time it does nothing.

        Raises:
            StepFailed: Something could not be ended or removed; the rest is.
        """
        if self._is_down:
            return
        # Every part is tried, whatever becomes of the others; an error is raised at the end.
        with ExitStack() as parts:
            parts.callback(self._remove_files)
            parts.callback(self._stop_postgres)
            parts.callback(self._drop_database)
            parts.callback(self._end_processes)
            if self._state.ssh is not None:
                parts.callback(ssh_server.stop, self._state.ssh)
        self._is_down = True

    def _end_processes(self) -> None:
        for name, running in self._state.processes.items():
            if name != "postgres":
                process.end(running)
        for left in process.of_home(self._layout.home):
            process.end(left, alone=True)

    def _drop_database(self) -> None:
        if self._state.postgres == "named" and self._state.database:
            named.drop(self.database, self._state.maintenance)

    def _cluster(self) -> Cluster | None:
        state = self._state
        if state.cluster is None:
            return None
        return Cluster(Path(state.cluster), binaries(state.clients))

    def _stop_postgres(self) -> None:
        cluster = self._cluster()
        server = self._state.processes.get("postgres") or (cluster and cluster.running())
        if cluster and server:
            cluster.stop(server, immediately=True)

    def _remove_files(self) -> None:
        cluster = self._cluster()
        for folder in (cluster and cluster.home, self.root):
            if folder and folder.exists():
                shutil.rmtree(folder)

    def _bring_up(self, node: Node, postgres: str, password: str, name: str) -> None:
        self._say(f"{self.mode.title}; PostgreSQL {self._state.postgres}")
        if self._state.postgres == "named":
            self._take_database(node, postgres, password)
        else:
            self._take_cluster(node, binaries(postgres), password, name)

    def _take_database(self, node: Node, url: str, password: str) -> None:
        """A database on the user's server: everything is deployed anew."""
        database, self._state.maintenance = named.create(url, password)
        self._record(database)
        host = self._host(node)
        host.write_programs()
        host.write_shared()
        self._say("deploying the app's history")
        base.build(host)

    def _take_cluster(self, node: Node, source: Binaries, password: str, name: str) -> None:
        """A cluster of our own, with the incident where that can be copied from the cache."""
        cluster = Cluster.place(self._layout.postgres, source)
        self._state.cluster = str(cluster.home)
        self._save()
        ending = f"{self.mode.name}-{base.key(self.mode, source, *self._installed(node))}"

        def make_base() -> None:
            self._say("building the healthy host (once; kept in the cache)")
            cluster.create()
            database = self._start_cluster(cluster, password)
            database.sql(f"CREATE DATABASE {APP_ROLE} OWNER {APP_ROLE}", database=SUPERUSER)
            host = self._host(node)
            host.write_programs()
            base.build(host)

        def make_incident() -> None:
            self._fill(cluster, f"base-{ending}", make_base)
            self._serve(node, cluster, password)
            self.break_(name)

        if incident(name).copied:
            self._fill(cluster, f"{name}-{ending}", make_incident)
            self._state.incident = name
        else:
            self._fill(cluster, f"base-{ending}", make_base)
        self._serve(node, cluster, password)

    def _fill(self, cluster: Cluster, name: str, make: Callable[[], None]) -> None:
        """Put the cluster's files and the repositories in place; the server is down.

        Args:
            cluster: An empty place.
            name: What they are in the cache.
            make: Makes them where they are not in the cache. Leaves the server up.
        """
        made = False

        def fill(template: Path) -> None:
            nonlocal made
            make()
            cluster.stop(self._state.processes.pop("postgres"))
            base.keep(self._layout, cluster.data, template)
            made = True

        template = cached(name, fill)
        if not made:
            base.restore(template, self._layout, cluster.data)

    def _serve(self, node: Node, cluster: Cluster, password: str) -> None:
        """Start the server, and write what the host has of its own."""
        self._start_cluster(cluster, password)
        host = self._host(node)
        host.write_programs()
        host.write_shared()
        host.install()

    def _start_cluster(self, cluster: Cluster, password: str) -> Database:
        owner = Login(SUPERUSER, secrets.token_urlsafe(18))
        app = Login(APP_ROLE, password)
        cluster.set_passwords({login.role: login.password for login in (owner, app)})
        self._state.processes["postgres"], port = cluster.start()
        database = Database(ADDRESS, port, APP_ROLE, owner, app, cluster.source)
        self._record(database)
        return database

    def _record(self, database: Database) -> None:
        state = self._state
        state.host, state.port, state.database = database.host, database.port, database.name
        state.clients = database.source.major
        state.owner = (database.owner.role, database.owner.password)
        state.app = (database.app.role, database.app.password)
        self._save()

    def _start_ssh(self, kind: SshKind, node: Node) -> None:
        self._state.ssh = ssh_server.start(
            self.root,
            kind=kind,
            home=self._layout.home,
            environment=self._host(node).environment(),
            say=self._say,
        )
        self._save()

    def _host(self, node: Node) -> Host:
        packages, own_engine = self._installed(node)
        return Host(self._layout, self.mode, node, self.database, packages, own_engine)

    def _installed(self, node: Node) -> tuple[Path, Path | None]:
        installation = packages.installed(self.mode.packages, node, self._say)
        native = packages.native_engine(installation)
        return installation, None if native else packages.engine(node, self._say)

    def _save(self) -> None:
        self._state.save(self._layout.state)


def _check_arguments(name: str, given: Mode, kind: str, password: str | None) -> SshKind:
    """Refuse wrong words before anything is made."""
    incident(name).check(given)
    if password is not None and (not password or not password.isprintable()):
        raise UsageError("the password must be printable characters, at least one")
    for known in get_args(SshKind):
        if kind == known:
            return cast("SshKind", known)
    raise UsageError(f"--ssh: {kind!r} is none of {', '.join(get_args(SshKind))}")


def _check_free(layout: Layout) -> None:
    if layout.state.exists():
        raise UsageError(f"a sandbox is up in {layout.root}", "ops sandbox down")
    if layout.root.exists() and (not layout.root.is_dir() or any(layout.root.iterdir())):
        raise UsageError(
            f"{layout.root} is there and is no sandbox: nothing in it is touched",
            "name another directory in $OPS_SANDBOX",
        )
