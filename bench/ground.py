"""What the benchmarks of the proof share: migrations, and a PostgreSQL of their own."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.errors import UsageError
from ops.host.local import LocalHost
from ops.host.script import HostPath
from ops.proof.psql import connect
from ops.proof.scratch import Server
from ops.proof.shadow import Replay, replay_of
from ops.sandbox import process
from ops.sandbox.postgres import ADDRESS, Cluster, binaries
from ops.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = "litellm-proxy-extras"
VERSIONS: Final = ("0.4.56", "0.4.110")
"""A public project of many migrations, written by many hands over years."""
CACHE: Final = Path.home() / ".cache" / "prisma-ops" / "bench"
ROLE: Final = "app"
SETTINGS: Final = "SET synchronous_commit = off;\nSET search_path = public;"
"""What a session of Prisma has, as far as it counts; nothing here must outlive a crash."""


@dataclass(frozen=True)
class Project:
    """The migrations of one application, in Prisma's order."""

    name: str
    scripts: tuple[Replay, ...]


@dataclass(frozen=True)
class Ground:
    """A running PostgreSQL.

    Args:
        server: As the tool sees it: a role that may make databases, and nothing more.
        port: On the loopback.
        password: Of that role.
        bin: Where psql and pg_dump are.
    """

    server: Server
    port: int
    password: str
    bin: Path


def project(folder: Path, name: str = "") -> Project:
    """Read a directory of migrations, as `prisma/migrations`.

    Raises:
        UsageError: There are none.
    """
    files = sorted(folder.glob("*/migration.sql"), key=lambda file: file.parent.name.encode())
    if not files:
        raise UsageError(f"{folder}: no migrations there", "MIGRATIONS=path/to/prisma/migrations")
    scripts = tuple(replay_of(file.parent.name, file.read_bytes()) for file in files)
    return Project(name or folder.name, scripts)


def published(version: str) -> Project:
    """Return the migrations of a published package; it is downloaded once."""
    place = CACHE / f"{PACKAGE}-{version}"
    if not place.exists():
        wheels = CACHE / "wheels" / version
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        print(f"downloading {PACKAGE} {version} ...", file=sys.stderr)
        subprocess.run([*pip, "--dest", str(wheels), f"{PACKAGE}=={version}"], check=True)
        part = place.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        for wheel in wheels.glob("*.whl"):
            shutil.unpack_archive(wheel, part, "zip")
        part.rename(place)
    folder = place / PACKAGE.replace("-", "_") / "migrations"
    return project(folder, f"{PACKAGE} {version}")


@contextmanager
def ground(folder: Path, major: str = "16") -> Iterator[Ground]:
    """Start a PostgreSQL in a directory; stop it, and remove its files, at the end."""
    source = binaries(major)
    cluster = Cluster.place(folder, source)
    try:
        cluster.create()
        password = secrets.token_hex(8)
        cluster.set_passwords({ROLE: password})
        running, port = cluster.start()
        try:
            variables: dict[str, str | Secret] = {
                "PGHOST": ADDRESS,
                "PGPORT": str(port),
                "PGUSER": ROLE,
                "PGPASSWORD": Secret(password),
                "PGDATABASE": "postgres",
            }
            path = (HostPath(str(source.folder)),)
            server = Server(LocalHost(), variables, path, "the benchmark's server")
            yield Ground(server, port, password, source.folder)
        finally:
            cluster.stop(running, immediately=True)
            if running.alive:
                process.end(running)
    finally:
        shutil.rmtree(cluster.home, ignore_errors=True)


def run_sql(place: Ground, database: str, sql: str) -> None:
    """Run SQL of ours in a database. Raises Unknown when it fails."""
    server = place.server
    variables = {**server.variables, "PGDATABASE": database}
    with connect(server.host, variables, server.path, database, SETTINGS) as psql:
        psql.ask(sql, "running SQL of the benchmark")
