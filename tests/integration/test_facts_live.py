"""The script of ops/facts on real hosts, under every shell that a host may have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.host.local import LocalHost
from tests.facts_cases import (
    CASES,
    Server,
    built,
    host_variables,
    neutral_document,
    shared_database,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "data" / "facts"
ROOT_ONLY = {"dubious-ownership"}
THROUGH_EVERY_SHELL = (
    *("behind-with-new-migrations", "dirty-tree", "odd-names", "lock-npm-workspace"),
    *("lock-yarn-4", "lock-pnpm-two-versions", "schema-folder-5", "config-with-path"),
    *("untracked-and-broken-migrations", "no-reflog", "git-that-cannot-read-trees", "failed-row"),
    *("url-of-a-noisy-login-shell", "url-is-another-variable", "at-the-top", "unborn-head"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("server")
    started = Server(root / "postgres")
    try:
        shared_database(started, root)
        yield started
    finally:
        started.stop()


def shell_folder(root: Path, shell: str) -> Path:
    """Make a directory in which `sh` is this shell; with busybox, every small program is too."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    folder = root / "shell"
    folder.mkdir()
    names = ["sh"]
    if shell == "busybox":
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
        names = [name for name in listed.stdout.split() if "/" not in name]
    for name in names:
        (folder / name).symlink_to(program)
    return folder


def check(name: str, shell: str, root: Path, server: Server) -> None:
    if name in ROOT_ONLY and os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    folder = shell_folder(root, shell)
    with built(CASES[name], root / name, server) as yard:
        variables = host_variables(yard)
        variables["PATH"] = f"{folder}:{variables['PATH']}"
        host = LocalHost(variables)
        found = told(host, yard.environment_of(), fetch=yard.fetch)
        found = neutral_document(found, yard)
    expected = json.loads((DATA / name / "expected.json").read_text(encoding="utf-8"))
    if "no-setsid" in name and shell == "busybox":
        expected["machine"]["support"] = ["flock", "setsid", "sha256sum"]
    assert found == expected


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_real_host_tells_what_was_recorded(name: str, tmp_path: Path, server: Server) -> None:
    check(name, "dash", tmp_path, server)


@pytest.mark.parametrize("shell", ["bash", "busybox"])
@pytest.mark.parametrize("name", THROUGH_EVERY_SHELL)
def test_every_shell_tells_the_same(name: str, shell: str, tmp_path: Path, server: Server) -> None:
    check(name, shell, tmp_path, server)


def test_reading_changes_nothing_but_the_copy_of_origin(tmp_path: Path, server: Server) -> None:
    name = "behind-with-new-migrations"
    with built(CASES[name], tmp_path / name, server) as yard:
        git = yard.repo / ".git"
        (yard.repo / "Backend" / "package.json").touch()  # so that the index is out of date

        def state() -> dict[str, bytes]:
            files = (path for path in git.rglob("*") if path.is_file())
            return {str(path.relative_to(git)): path.read_bytes() for path in files}

        before = state()
        told(LocalHost(host_variables(yard)), yard.environment_of(), fetch=True)
        after = state()
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        allowed = ("FETCH_HEAD", "refs/remotes/origin/", "logs/refs/remotes/origin/", "objects/")
        assert not [path for path in changed if not path.startswith(allowed)]
        before = after
        told(LocalHost(host_variables(yard)), yard.environment_of(), fetch=False)
        assert state() == before
