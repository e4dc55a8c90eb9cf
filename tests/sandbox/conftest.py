"""Shared by the sandbox's tests: Node, one PostgreSQL server, sandboxes that end with the test."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ops.sandbox import Sandbox, packages
from ops.sandbox.database import Database, Login
from ops.sandbox.node import Node, find_node
from ops.sandbox.postgres import ADDRESS, SUPERUSER, Cluster, binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def node() -> Node:
    return find_node()


@pytest.fixture(scope="session")
def engine_file(node: Node) -> Path:
    return packages.engine(node, print)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server of our own; its owner, with the app's role `schooliat`."""
    cluster = Cluster.place(tmp_path_factory.mktemp("cluster"), binaries("16"))
    owner, app = Login(SUPERUSER, secrets.token_hex(8)), Login("schooliat", secrets.token_hex(8))
    try:
        cluster.create()
        cluster.set_passwords({login.role: login.password for login in (owner, app)})
        running, port = cluster.start()
        try:
            yield Database(ADDRESS, port, SUPERUSER, owner, app, cluster.source)
        finally:
            cluster.stop(running, immediately=True)
    finally:
        shutil.rmtree(cluster.home)


@pytest.fixture
def database(server: Database) -> Iterator[Database]:
    """An empty database that the app's role owns."""
    name = f"test_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE {name} OWNER {server.app.role}")
    yield replace(server, name=name)
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Sandbox]]:
    """Brings a sandbox up; every one of them is down at the end of the test."""
    boxes: list[Sandbox] = []

    def bring_up(**options: object) -> Sandbox:
        root = tmp_path / f"box {len(boxes)}"
        boxes.append(Sandbox.up(root, **({"ssh": "builtin"} | options)))  # type: ignore[arg-type]
        return boxes[-1]

    yield bring_up
    for box in boxes:
        box.down()


def run_on_host(box: Sandbox, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script on the host as a non-interactive session would."""
    return subprocess.run(
        ["sh", "-c", f"PATH=~/bin:$PATH; cd ~/schooliat/repo/Backend; {script}"],
        env={
            **box.environment,
            "HOME": str(box.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "DATABASE_URL": box.database_url,
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def on_host() -> Callable[[Sandbox, str], subprocess.CompletedProcess[str]]:
    return run_on_host
