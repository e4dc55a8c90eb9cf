"""A Fabric Connection that checks whom it talks to and never waits for ever.

What Fabric 3.2 lacks and is added here: host keys are checked, on jump hosts too; TCP_NODELAY
(without it each small command costs 40 ms of delayed acknowledgement); timeouts on connecting and
on opening a channel; IdentitiesOnly; a heartbeat that checks replies; one line for each way in
which connecting fails.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import fabric
import paramiko

from ops.errors import ConnectionLost, InventoryError, OpsError, Unreachable
from ops.host.heartbeat import Heard, Pulse, watch
from ops.host.host_keys import CheckedKeys, known_name, read_known_hosts
from ops.host.identities import Login

if TYPE_CHECKING:
    from collections.abc import Iterator

# Paramiko logs what it also raises; without a handler Python prints that, with a traceback.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

CONNECT_SECONDS: Final = 12.0
"""Seconds for each of: looking the name up, connecting up to and with the login, a channel."""


@dataclass(frozen=True)
class Address:
    """Which host, as the inventory says it; None means: as the SSH configuration says.

    Args:
        place: Where in the inventory it stands; None for a jump host.
        jump_for: The hosts that are reached by way of this one.
    """

    host: str
    port: int | None = None
    user: str | None = None
    host_key: str | None = None
    ssh_config: Path | None = None
    place: str | None = "environments.NAME.hosts[0]"
    jump_for: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where this host comes from, for messages."""
        return self.place or f"ProxyJump for {self.jump_for[-1]} in the SSH configuration"


class Connection(fabric.Connection):  # type: ignore[misc]
    """One SSH connection, with its jump hosts.

    Args:
        address: Whom to reach.
        pulse: How the link is watched.
        gateway: The jump host before this one; default: ProxyJump of the SSH configuration.
    """

    def __init__(
        self, address: Address, pulse: Pulse | None = None, gateway: Connection | None = None
    ) -> None:
        # Fabric's Connection takes attributes for configuration unless set this way.
        self._set(_address=address, _pulse=pulse or Pulse())
        config = fabric.Config(lazy=True, ssh_config=_read_ssh_config(address.ssh_config))
        try:
            super().__init__(
                address.host,
                user=address.user,
                port=address.port,
                config=config,
                gateway=gateway,
                # Given, so that Fabric does not read words from the configuration as it cannot.
                forward_agent=False,
                connect_timeout=CONNECT_SECONDS,
            )
        except ValueError as error:
            raise InventoryError(
                f"{address.source}: {address.host}: {error}", "look at the SSH configuration"
            ) from error

    def open(self) -> None:
        """Connect, unless connected.

        Raises:
            HostKeyRefused: The host is not who it should be.
            Unreachable: No connection, or no login; the message says which.
        """
        if self.is_connected:
            return
        self.close()
        with self._explained():
            try:
                self._connect()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the connection, and those to its jump hosts."""
        if self.client is not None:
            transport = self.client.get_transport()
            self.client.close()
            if transport is not None:
                # Ends a timer of 15 s that Paramiko leaves behind when a handshake fails; the
                # program would not end before it.
                transport.packetizer.complete_handshake()
        if self.gateway:
            self.gateway.close()

    def _connect(self) -> None:
        alias = self.ssh_config.get("hostkeyalias")
        known = read_known_hosts(known_name(self.host, self.port, alias), self.ssh_config)
        keys = CheckedKeys(known, self._address.host_key, self._address.place)
        login = Login(self.user, self.ssh_config, self._where, self._address.source)
        self._set(client=paramiko.SSHClient())
        self.client.set_missing_host_key_policy(keys)

        def transport(sock: Heard, **options: Any) -> paramiko.Transport:
            made = paramiko.Transport(cast("socket.socket", sock), **options)
            keys.prefer(made)
            return made

        until = time.monotonic() + CONNECT_SECONDS
        heard = Heard(self._socket(until))
        # Each of Paramiko's waits has a limit of its own, and each key one more.
        with _closed_at(until, heard):
            self.client.connect(
                hostname=self.host,
                port=self.port,
                sock=heard,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                channel_timeout=CONNECT_SECONDS,
                transport_factory=transport,
                auth_strategy=login,
            )
        self.transport = self.client.get_transport()
        self._set(heard=heard)
        watch(self.transport, heard, self._pulse)

    def channel(self, command: str) -> paramiko.Channel:
        """Open a channel and start a command on it; connects first where needed.

        Raises:
            Unreachable: No connection, or the host gives no more sessions on this one.
            ConnectionLost: The link does not answer any more.
        """
        self.open()
        try:
            channel: paramiko.Channel = self.transport.open_session(timeout=CONNECT_SECONDS)
            channel.exec_command(command)
        except paramiko.ChannelException as error:
            raise Unreachable(
                f"{self.label}: the host refuses one more session: {error.text}",
                "this tool needs three at a time: MaxSessions in its sshd_config",
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.transport.close()
            raise ConnectionLost(f"{self.label}: the connection is gone: {error}") from error
        return channel

    @property
    def label(self) -> str:
        """`user@host`, with the port where it is not 22."""
        port = "" if self.port == paramiko.config.SSH_PORT else f":{self.port}"
        return f"{self.user}@{self.host}{port}"

    @property
    def _where(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def get_gateway(self) -> Connection | None:
        """Return the jump host of the SSH configuration, made as strictly as ourselves."""
        jumps = self.ssh_config.get("proxyjump", "none")
        if jumps.lower() == "none":
            if self.ssh_config.get("proxycommand"):
                raise InventoryError(
                    f"{self._address.source}: the SSH configuration for {self.original_host} uses "
                    "ProxyCommand, which cannot be watched",
                    "use ProxyJump instead",
                )
            return None
        gateway: Connection | None = None
        # `a,b,c` is passed in this order: each is the gateway of the next.
        for jump in jumps.split(","):
            hop = self.derive_shorthand(jump.strip().removeprefix("ssh://"))
            if hop["host"] == self.original_host:
                return None  # a wildcard in the configuration: the jump host itself
            if hop["host"] in self._address.jump_for:
                raise InventoryError(
                    f"{self._address.source}: ProxyJump goes round in a circle: "
                    f"{' by way of '.join((*self._address.jump_for, self.original_host))} again",
                    "mend the SSH configuration",
                )
            address = Address(
                hop["host"],
                hop["port"],
                hop["user"],
                ssh_config=self._address.ssh_config,
                place=None,
                jump_for=(*self._address.jump_for, self.original_host),
            )
            gateway = Connection(address, self._pulse, gateway)
        return gateway

    def _socket(self, until: float) -> socket.socket | paramiko.Channel:
        if self.gateway:
            return self._through(self.gateway)
        failure: OSError | None = None
        for family, kind, number, _, address in _resolve(self.host, self.port):
            sock = socket.socket(family, kind, number)
            try:
                sock.settimeout(max(until - time.monotonic(), 0.1))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                sock.close()
                failure = failure or error
            else:
                return sock
        raise failure or OSError("it has no address")

    def _through(self, gateway: Connection) -> paramiko.Channel:
        gateway.open()
        try:
            channel: paramiko.Channel = gateway.transport.open_channel(
                "direct-tcpip", (self.host, self.port), ("", 0), timeout=CONNECT_SECONDS
            )
        except paramiko.ChannelException as error:
            raise Unreachable(
                f"{self._where}: the jump host {gateway.label} cannot reach it: {error.text}",
                f"check {self._address.source}, and on the jump host: nc -vz "
                f"{self.host} {self.port}",
            ) from error
        except (paramiko.SSHException, EOFError) as error:
            raise Unreachable(
                f"{self._where}: no answer within {CONNECT_SECONDS:.0f} s through the jump host "
                f"{gateway.label}",
                "is the host up, and does a firewall let the jump host through?",
            ) from error
        return channel

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn every failure to connect into one line with a hint."""
        where, source = self._where, self._address.source
        try:
            yield
        except OpsError:
            raise
        except socket.gaierror as error:
            raise Unreachable(
                f"{self.host}: no such host: {error.strerror}", f"check {source}"
            ) from error
        except TimeoutError as error:
            raise Unreachable(
                f"{where}: no answer within {CONNECT_SECONDS:.0f} s",
                "is the host up, and does the network or a firewall let you through?",
            ) from error
        except ConnectionRefusedError as error:
            raise Unreachable(
                f"{where}: connection refused: nothing listens there",
                f"check the port of {source}, and that sshd runs",
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            ended = "the connection ended" if isinstance(error, EOFError) else type(error).__name__
            detail = getattr(error, "strerror", None) or str(error) or ended
            if "banner" in detail or "protocol version" in detail:
                raise Unreachable(
                    f"{where}: what listens there does not answer as an SSH server",
                    f"check the port of {source}; an sshd that is overloaded does this too",
                ) from error
            raise Unreachable(
                f"{where}: no SSH connection: {detail}",
                f"try: ssh -v -p {self.port} {self.user}@{self.host}",
            ) from error


@contextmanager
def _closed_at(until: float, sock: Heard) -> Iterator[None]:
    """End a connection at a moment, so that whatever waits for it ends.

    Raises:
        TimeoutError: That has happened, instead of what came of it.
    """
    late = threading.Event()

    def close() -> None:
        late.set()
        sock.abort()

    timer = threading.Timer(until - time.monotonic(), close)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (paramiko.SSHException, OSError, EOFError) as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


def _resolve(host: str, port: int) -> list[Any]:
    """Look a name up, without waiting for ever for a name server that does not answer.

    Raises:
        socket.gaierror: There is no such name.
        Unreachable: No name server answered.
    """
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not answer:
        raise Unreachable(
            f"{host}: no name server answers within {CONNECT_SECONDS:.0f} s",
            "check this machine's network",
        )
    if isinstance(answer[0], OSError):
        raise answer[0]
    return list(answer[0])


def _read_ssh_config(path: Path | None) -> paramiko.SSHConfig:
    """Read the named file, or ~/.ssh/config and then /etc/ssh/ssh_config as OpenSSH does."""
    config = paramiko.SSHConfig()
    if path is not None and not path.is_file():
        raise InventoryError(
            f"ssh_config: {path} does not exist",
            "for the sandbox: ops sandbox up" if ".sandbox" in path.parts else "check the path",
        )
    names = [path] if path else [Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config")]
    for name in names:
        if name.is_file():
            try:
                with name.open(encoding="utf-8") as file:
                    config.parse(file)
            except (paramiko.ConfigParseError, OSError, UnicodeDecodeError) as error:
                raise InventoryError(f"{name}: {error}", "mend the SSH configuration") from error
    return config
