"""A sandbox's life: what it is made of, what it refuses, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.errors import OpsError, StepFailed, UsageError
from ops.sandbox import Sandbox, incidents, packages
from ops.sandbox import node as node_module
from ops.sandbox.cache import cached, link_tree
from ops.sandbox.database import Login
from ops.sandbox.incidents import Incident
from ops.sandbox.named import create
from ops.sandbox.repository import HEART, SCHEMA, git

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.sandbox.database import Database
    from ops.sandbox.host import Host
    from ops.sandbox.node import Node
    from ops.sandbox.process import Process

    OnHost = Callable[[Sandbox, str], subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.e2e

CANARY = "p@ss:/%'\"$\\ x?#&`!;"
CLUSTERS = Path("/var/tmp")


def traces(root: Path) -> list[str]:
    """Processes that know of the sandbox, and what lies in its places."""
    found = [str(root)] if root.exists() else []
    listing = subprocess.run(
        ["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    return found + [line for line in listing.stdout.splitlines() if str(root) in line]


def mode_of(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_what_is_where(up: Callable[..., Sandbox], on_host: OnHost) -> None:
    box = up(password=CANARY)
    assert mode_of(box.root) == "0o700"
    assert mode_of(box.env_file) == mode_of(box.root / "state.json") == "0o600"
    assert mode_of(box.backups) == "0o700"
    assert "IdentityFile" in (box.root / "ssh_config").read_text()
    assert "ssh_config: ssh_config" in box.inventory.read_text()
    url = on_host(box, '. ~/schooliat/shared/.env; printf %s "$DATABASE_URL"').stdout
    assert url == box.database_url
    assert CANARY not in url
    assert CANARY not in repr(box) + repr(box.database)
    for program in ("psql", "pg_dump", "pg_restore", "node", "npm", "npx"):
        assert on_host(box, f"command -v {program}").stdout.strip() == str(
            box.home / "bin" / program
        )
        assert on_host(box, f"{program} --version").returncode == 0, program
    # As root, the server's own user reads the cluster; its superuser is the sandbox's alone.
    rows = box.sql("SELECT current_user, count(*), NULL, '' FROM students; SELECT E'a\\nb'")
    assert rows == [("postgres", "1500", None, ""), ("a\nb",)]
    assert box.sql("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'schooliat'") == [
        ("f", "t")
    ]
    wrong = replace(box.database, app=Login("schooliat", "wrong"))
    with pytest.raises(StepFailed, match="password authentication failed"):
        wrong.sql("SELECT 1", as_app=True)
    assert Sandbox.at(box.root).database == box.database
    names = {row[0] for row in box.sql("SELECT migration_name FROM _prisma_migrations")}
    folders = (box.app / SCHEMA).parent / "migrations"
    assert names == {folder.name for folder in folders.iterdir() if folder.is_dir()}
    assert len(names) == 12


def test_npm_ci_works_on_the_host_without_a_network(
    up: Callable[..., Sandbox], on_host: OnHost
) -> None:
    box = up()
    marker = box.app / "node_modules" / "marker"
    marker.touch()
    cached_cli = (
        packages.installed("prisma-6", node_module.find_node(), print) / "node_modules/prisma"
    )
    before = sorted(str(file) for file in cached_cli.rglob("*"))
    done = on_host(box, "npm_config_offline=true npm ci")
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
    assert '"version": "6.19.3"' in (box.app / "node_modules/prisma/package.json").read_text()
    assert sorted(str(file) for file in cached_cli.rglob("*")) == before


def test_up_is_refused_where_one_is_up_and_down_twice_is_harmless(tmp_path: Path) -> None:
    root = tmp_path / "box"
    left = set(CLUSTERS.glob("prisma-ops-sandbox-*"))
    box = Sandbox.up(root, ssh="builtin", incident="running", seconds=600)
    mine = set(CLUSTERS.glob("prisma-ops-sandbox-*")) - left
    with pytest.raises(UsageError, match="a sandbox is up in") as refused:
        Sandbox.up(root)
    assert refused.value.hint == "ops sandbox down"
    with pytest.raises(UsageError, match="broken already: running"):
        box.break_("pending")
    state = json.loads((root / "state.json").read_text())
    Sandbox.at(root).down()
    assert traces(root) == []
    assert not [place for place in mine if str(place) == state["cluster"] and place.exists()]
    for running in [*state["processes"].values(), state["ssh"]]:
        with pytest.raises(ProcessLookupError):
            os.kill(running["pid"], 0) if not zombie(running["pid"]) else gone()
    box.down()
    with pytest.raises(UsageError, match="no sandbox is up"):
        Sandbox.at(root)


def zombie(pid: int) -> bool:
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip().startswith("Z")


def gone() -> None:
    raise ProcessLookupError


def test_a_crashed_sandbox_goes_down_and_up(tmp_path: Path) -> None:
    root = tmp_path / "box"
    box = Sandbox.up(root, ssh="builtin")
    state = json.loads((root / "state.json").read_text())
    for pid in (state["processes"]["postgres"]["pid"], state["ssh"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(UsageError):
        Sandbox.up(root, ssh="builtin")
    box.down()
    with Sandbox.up(root, ssh="builtin") as again:
        assert again.database.value("SELECT count(*) FROM students") == "1500"
    assert traces(root) == []


def test_up_that_fails_removes_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "box"
    seen: list[str] = []

    def fails(host: Host, _seconds: float) -> dict[str, Process]:
        seen.extend([host.database.value("SELECT count(*) FROM students"), str(host.layout.root)])
        seen.append(json.loads(host.layout.state.read_text())["cluster"])
        raise StepFailed("no")

    broken = Incident("broken", "", "", fails)
    monkeypatch.setattr(incidents, "INCIDENTS", (*incidents.INCIDENTS, broken))
    with pytest.raises(StepFailed, match="no"):
        Sandbox.up(root, incident="broken")
    assert seen[:2] == ["1500", str(root)]
    assert traces(root) == []
    assert not Path(seen[2]).exists()


def test_a_killed_up_can_be_taken_down(tmp_path: Path) -> None:
    root = tmp_path / "box"
    program = (
        "import os, signal, sys; from pathlib import Path; from ops.sandbox import Sandbox\n"
        "def say(line):\n"
        "    if line.startswith('breaking'): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Sandbox.up(Path({str(root)!r}), incident='pending', say=say)"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    )
    state = json.loads((root / "state.json").read_text())
    assert state["ready"] is False
    Sandbox.at(root).down()
    assert traces(root) == []
    assert not Path(state["cluster"]).exists()


def test_what_sessions_left_running_ends(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("finding them needs /proc")
    with Sandbox.up(tmp_path / "box", ssh="builtin") as box:
        daemon = subprocess.Popen(["sleep", "600"], env={"HOME": str(box.home)})
    assert daemon.wait(timeout=5) == -signal.SIGTERM


WRONG = {
    "incident": ({"incident": "nope"}, "there is no incident 'nope'"),
    "prisma": ({"prisma": 5}, "--prisma: 5 is neither 6 nor 7"),
    "engine": ({"engine": "half"}, "--engine: 'half' is neither"),
    "ssh": ({"ssh": "telnet"}, "--ssh: 'telnet' is none of auto, openssh, builtin"),
    "postgres": ({"postgres": "17"}, "'17' is neither 16, 18 nor a postgresql:// URL"),
    "mysql": ({"postgres": "mysql://a:b@127.0.0.1/c"}, "not a postgresql:// URL"),
    "password": ({"password": "a\nb"}, "printable"),
    "no server": ({"postgres": "postgresql://a:s3cret@127.0.0.1:1/x"}, "onnection"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words_make_nothing(name: str, tmp_path: Path) -> None:
    options, text = WRONG[name]
    with pytest.raises(OpsError, match=text) as refused:
        Sandbox.up(tmp_path / "box", **options)  # type: ignore[arg-type]
    assert "\n" not in refused.value.message
    assert "s3cret" not in refused.value.message
    assert not (tmp_path / "box").exists()


def test_a_directory_that_is_no_sandbox_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="is there and is no sandbox"):
        Sandbox.up(tmp_path)
    (tmp_path / "state.json").write_text('{"other": 1}')
    with pytest.raises(UsageError, match="is not a sandbox's state"):
        Sandbox.at(tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("superuser", [True, False])
def test_a_server_that_the_user_names(
    *, superuser: bool, server: Database, up: Callable[..., Sandbox]
) -> None:
    login = server.owner
    if not superuser:
        login = Login("maker", "m:k")
        server.sql("CREATE ROLE maker LOGIN CREATEDB CREATEROLE PASSWORD 'm:k'")
    url = replace(server, app=login, parameters="").url()
    before = server.sql("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
    box = up(postgres=url, incident="p3009-killed-committed", password=CANARY)
    assert box.database.name.startswith("schooliat_")
    assert box.database.value("SELECT count(*) FROM notes") == "0"
    box.down()
    assert (
        server.sql("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles") == before
    )
    if not superuser:
        server.sql("DROP ROLE maker")


def test_a_server_that_lets_us_do_nothing(server: Database) -> None:
    server.sql("CREATE ROLE guest LOGIN PASSWORD 'g'")
    with pytest.raises(StepFailed, match="permission denied to create role"):
        create(f"postgresql://guest:g@127.0.0.1:{server.port}/postgres", "s3cret")
    server.sql("DROP ROLE guest")


def test_postgres_18(up: Callable[..., Sandbox], on_host: OnHost) -> None:
    box = up(postgres="18", incident="pending")
    assert box.database.value("SHOW server_version").startswith("18.")
    assert on_host(box, "pg_dump --version").stdout.startswith("pg_dump (PostgreSQL) 18.")


def test_the_server_trusts_nobody(up: Callable[..., Sandbox]) -> None:
    box = up()
    env = {**box.psql_env, "PGPASSWORD": ""}
    done = subprocess.run(
        [box.database.source["psql"], "--no-password", "-c", "SELECT 1"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no password supplied" in done.stderr
    assert box.sql("SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("scram-sha-256",)]
    stored = "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolcanlogin"
    assert box.sql(stored) == [("t",), ("t",)]


def test_the_native_engine_is_used_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "node_modules/@prisma/engines"
    folder.mkdir(parents=True)
    assert packages.native_engine(tmp_path) is None
    (folder / "schema-engine-debian-openssl-3.0.x").touch()
    assert packages.native_engine(tmp_path) == folder / "schema-engine-debian-openssl-3.0.x"


def test_node_of_the_machine_or_of_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Node
) -> None:
    for name in ("node", "npm", "npx"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho v18.20.4\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    wheel = node_module._of_wheel()
    if wheel is not None:
        assert node_module.find_node() == wheel
        for argv in ([str(wheel.node)], wheel.npm, wheel.npx):
            subprocess.run([*argv, "--version"], check=True, stdout=subprocess.DEVNULL)
    monkeypatch.setattr(node_module, "_of_wheel", lambda: None)
    with pytest.raises(UsageError, match=r"Node\.js 18\.20 at .* is too old for Prisma"):
        node_module.find_node()
    (tmp_path / "npm").unlink()
    with pytest.raises(UsageError, match=r"Node\.js with npm is not on this machine"):
        node_module.find_node()


def test_the_cache_keeps_only_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise StepFailed("no")

    with pytest.raises(StepFailed):
        cached("thing-1", fails)
    made = cached("thing-1", lambda folder: (folder / "whole").touch())
    assert [entry.name for entry in made.iterdir()] == ["whole"]
    assert cached("thing-1", fails) == made
    os.utime(made, (0, 0))
    cached("thing-2", lambda folder: None)
    assert not made.exists(), "unused for long, and it has a successor"


def test_trees_are_linked(tmp_path: Path) -> None:
    source = tmp_path / "a"
    (source / "b").mkdir(parents=True)
    (source / "b/file").write_text("x")
    (source / "link").symlink_to("b/file")
    link_tree(source, tmp_path / "copy")
    assert (tmp_path / "copy/b/file").samefile(source / "b/file")
    assert (tmp_path / "copy/link").readlink() == Path("b/file")


def test_no_secret_in_any_argv_while_it_comes_up(tmp_path: Path) -> None:
    password = "c4nary-in-argv"
    watcher = subprocess.Popen(
        ["sh", "-c", "while :; do ps -eww -o args=; sleep 0.02; done"],
        stdout=subprocess.PIPE,
        text=True,
    )
    output = tmp_path / "seen"
    try:
        with output.open("w") as sink:
            copier = subprocess.Popen(["cat"], stdin=watcher.stdout, stdout=sink)
            with Sandbox.up(
                tmp_path / "box",
                ssh="builtin",
                incident="running",
                prisma=7,
                password=password,
            ):
                pass
    finally:
        watcher.kill()
        watcher.wait()
        copier.wait()
        watcher.stdout.close()  # type: ignore[union-attr]
    lines = {line for line in output.read_text().splitlines() if password in line}
    # Prisma itself puts the URL into its engine's argv; 7 does so for the engine's whole life.
    assert lines, "the watcher sees what there is to see"
    assert all("--datasource" in line for line in lines), lines


def test_git_history(up: Callable[..., Sandbox]) -> None:
    box = up(incident="p3018-type-exists")
    subjects = git("log", "--format=%s", "main", cwd=box.origin).splitlines()
    assert subjects[0] == "Make add_missing_models safe for production"
    path = f"Backend/{SCHEMA.parent}/migrations/{HEART}/migration.sql"
    diff = git("diff", "main~1", "main", "--", path, cwd=box.origin)
    assert '-CREATE TYPE "attendance_status"' in diff
    assert "+CREATE" not in diff
