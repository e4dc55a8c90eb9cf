"""The same on Debian's own parts: its OpenSSH server, PostgreSQL 15, PgBouncer, busybox's shell."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import Operator
from tests.e2e.test_incidents import APPLIED, FAILED, ROLLED_BACK, check_backup

pytestmark = [pytest.mark.e2e, pytest.mark.host, pytest.mark.timeout(240)]
Begin = Callable[..., Operator]

PG15 = Path("/usr/lib/postgresql/15/bin")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def as_other_user() -> list[str]:
    """PostgreSQL and PgBouncer refuse to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def give_to_other_user(directory: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(directory, "nobody", "nogroup")


@pytest.fixture
def other_directory() -> Iterator[Path]:
    """A directory that the other user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="ops-test-", dir="/var/tmp"))
    give_to_other_user(directory)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def postgres15(other_directory: Path) -> Iterator[str]:
    """The URL of a PostgreSQL 15 server of Debian's, with a password."""
    if not PG15.exists():
        pytest.skip("there is no PostgreSQL 15 of Debian's here")
    data, port = other_directory / "data", free_port()
    password_file = other_directory / "password"
    password_file.write_text("only-for-the-test")
    give_to_other_user(password_file)
    initdb: list[str | Path] = [
        PG15 / "initdb",
        "-D",
        data,
        "-U",
        "keeper",
        "-A",
        "scram-sha-256",
        "-N",
    ]
    subprocess.run(
        [*as_other_user(), *initdb, f"--pwfile={password_file}", "-E", "UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=other_directory,
    )
    server = subprocess.Popen(
        [*as_other_user(), PG15 / "postgres", "-D", data, "-p", str(port), "-c", "fsync=off",
         "-c", f"unix_socket_directories={other_directory}"],
        cwd=other_directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port)
        yield f"postgresql://keeper:only-for-the-test@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


@pytest.mark.parametrize(
    ("incident", "prisma", "engine", "code", "ledger"),
    [
        ("p3018-type-exists", 6, "one-query", 0, [ROLLED_BACK, APPLIED]),
        ("p3018-type-exists", 7, "per-statement", 3, [FAILED]),
        (
            *("p3009-killed-committed", 7, "one-query", 0),
            [(False, True, False, 0), (True, False, False, 0)],  # recorded as applied
        ),
        ("running", 6, "one-query", 0, [APPLIED]),
        ("pending", 7, "per-statement", 0, [APPLIED]),
    ],
)
def test_openssh(
    operator: Begin, incident: str, prisma: int, engine: str, code: int, ledger: list[object]
) -> None:
    someone = operator(incident, prisma=prisma, engine=engine, ssh="openssh", seconds=4.0)
    assert someone.box.ssh_kind == "openssh"
    recovered = someone.fab("recover", "--yes")
    assert recovered.code == code, recovered
    assert someone.ledger() == ledger


def test_postgresql_15(postgres15: str, operator: Begin) -> None:
    someone = operator("p3018-type-exists", postgres=postgres15)
    recovered = someone.fab("recover", "--yes")
    assert recovered.code == 0, recovered
    assert "PostgreSQL 15" in someone.fab("status").out
    assert someone.ledger() == [ROLLED_BACK, APPLIED]


def test_a_server_newer_than_pg_dump(operator: Begin) -> None:
    """Debian 12's pg_dump 15 cannot dump a server of version 18: refused before anything."""
    someone = operator("pending", postgres="18")
    for program in ("pg_dump", "pg_restore"):
        link = someone.box.home / "bin" / program
        link.unlink()
        link.symlink_to(PG15 / program)
    refused = someone.fab("recover")
    assert refused.code == 3, refused
    assert "cannot dump a server of version 18" in refused.out
    assert someone.ledger() == []
    assert not list(someone.box.backups.glob("*"))


def test_through_pgbouncer(operator: Begin, other_directory: Path) -> None:
    someone = operator("pending")
    direct = someone.box.database_url
    environment = someone.box.psql_env
    port = free_port()
    users = other_directory / "users.txt"
    app_password = direct.split("://schooliat:")[1].split("@")[0]
    users.write_text(f'"schooliat" "{app_password}"\n')
    settings = other_directory / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"schooliat = host=127.0.0.1 port={environment['PGPORT']} dbname=schooliat\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = plain\nauth_file = {users}\npool_mode = transaction\n"
        f"ignore_startup_parameters = extra_float_digits,options\nunix_socket_dir =\n"
    )
    for file in (users, settings):
        give_to_other_user(file)
    with ExitStack() as stack:
        pooler = subprocess.Popen([*as_other_user(), "pgbouncer", "-q", str(settings)])
        stack.callback(pooler.wait, 30)
        stack.callback(pooler.terminate)
        wait_for(port)
        pooled = direct.replace(f":{environment['PGPORT']}/", f":{port}/") + "&pgbouncer=true"
        someone.box.env_file.write_text(f'DATABASE_URL="{pooled}"\nDIRECT_URL="{direct}"\n')
        refused = someone.fab("recover")
        assert refused.code == 3, refused
        assert "set direct_url in the inventory" in refused.out
        assert someone.ledger() == []
        someone.box.inventory.write_text(
            someone.box.inventory.read_text().rstrip()
            + "\n    direct_url: {env_file: ~/schooliat/shared/.env, name: DIRECT_URL}\n"
        )
        recovered = someone.fab("recover")
        assert recovered.code == 0, recovered
        assert someone.ledger() == [APPLIED]
        check_backup(someone, had_heart=False)
