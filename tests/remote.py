"""Real SSH servers, agents and keys for tests, each below one directory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ops.host.connection import Address
from ops.host.heartbeat import Pulse
from ops.host.ssh import SshHost
from ops.sandbox import ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = Pulse(interval=0.2, silence=1.0)
"""A heartbeat for tests: a dead link is noticed in about a second."""


@dataclass
class Remote:
    """A running SSH server and a client's configuration for it."""

    root: Path
    home: Path
    server: ssh.SshServer
    _configs: int = field(default=0)

    @property
    def key(self) -> Path:
        return self.root / "ssh" / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The server's public key, as in known_hosts."""
        return " ".join((self.root / "ssh" / "host_ed25519.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        shown = subprocess.run(
            ["ssh-keygen", "-l", "-f", self.root / "ssh" / "host_ed25519.pub"],
            check=True,
            capture_output=True,
            text=True,
        )
        return shown.stdout.split()[1]

    def config(self, *lines: str, port: int | None = None) -> Path:
        """Write an SSH configuration. Its host is `box`; other lines come first, so they win."""
        self._configs += 1
        text = "\n".join(lines)
        if "userknownhostsfile" not in text.lower():
            known = self.root / f"known{self._configs}"
            known.write_text(f"[127.0.0.1]:{port or self.server.port} {self.host_key}\n")
            text += f'\nUserKnownHostsFile "{known}"'
        if "identityfile" not in text.lower():
            text += f'\nIdentityFile "{self.key}"\nIdentitiesOnly yes'
        if "hostname" not in text.lower():
            text += "\nHostName 127.0.0.1"
        text += f"\nPort {port or self.server.port}\nUser {self.server.user}\n"
        file = self.root / f"config{self._configs}"
        file.write_text("Host box\n" + text)
        return file

    def address(self, *lines: str, port: int | None = None, pin: str | None = None) -> Address:
        return Address(
            "box",
            host_key=pin,
            ssh_config=self.config(*lines, port=port),
            place="environments.prod.hosts[0]",
        )

    @contextmanager
    def host(self, *lines: str, port: int | None = None, pulse: Pulse = QUICK) -> Iterator[SshHost]:
        host = SshHost(self.address(*lines, port=port), pulse)
        try:
            yield host
        finally:
            host.close()


@contextmanager
def remote(root: Path, kind: ssh.Kind = "builtin") -> Iterator[Remote]:
    """Start an SSH server below a directory."""
    home = root / "home"
    home.mkdir(parents=True)
    server = ssh.start(root, kind=kind, home=home, environment={}, say=lambda _: None)
    try:
        yield Remote(root, home, server)
    finally:
        ssh.stop(server)


@contextmanager
def agent(place: Path, *keys: Path) -> Iterator[Path]:
    """Start a real ssh-agent that holds keys; gives its socket."""
    sock = place / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(sock)], stdout=subprocess.DEVNULL)
    try:
        wait_until(sock.exists)
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key)],
                check=True,
                env={**os.environ, "SSH_AUTH_SOCK": str(sock)},
            )
        yield sock
    finally:
        process.terminate()
        process.wait()


def make_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(file)], check=True)
    return file


def encrypted(key: Path, file: Path, passphrase: str = "secret") -> Path:
    shutil.copy(key, file)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", passphrase, "-P", "", "-f", str(file)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return file


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on the loopback, and serve each connection by a function; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()
        sockets: list[socket.socket] = []

        def accept() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                sockets.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in sockets:
                each.close()


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose connections are never answered: the queue of its listener is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def wait_until(true: Callable[[], object], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
