"""A Fabric Connection that checks whom it talks to and never waits for ever.

What Fabric 3.2 lacks and is added here: host keys are checked, on jump hosts too; TCP_NODELAY
(without it each small command costs 40 ms of delayed acknowledgement); timeouts on connecting and
on opening a channel; IdentitiesOnly; a heartbeat that checks replies; one line for each way in
which connecting fails.
"""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fabric
import paramiko
from paramiko.pkey import PublicBlob
from paramiko.ssh_exception import NoValidConnectionsError

from ops.errors import ConnectionLost, InventoryError, OpsError, Unreachable
from ops.host.heartbeat import Pulse, watch
from ops.host.host_keys import CheckedKeys, changed_key, load_known_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

# Paramiko logs what it also raises; without a handler Python prints that, with a traceback.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

CONNECT_SECONDS: Final = 10.0
"""Seconds for each of: the TCP connection, the banner, the login, a new channel."""


@dataclass(frozen=True)
class Address:
    """Which host, as the inventory says it; None means: as the SSH configuration says."""

    host: str
    port: int | None = None
    user: str | None = None
    host_key: str | None = None
    ssh_config: Path | None = None
    place: str = "environments.NAME.hosts[0]"


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
        super().__init__(
            address.host, user=address.user, port=address.port, config=config, gateway=gateway
        )

    def open(self) -> None:
        """Connect, unless connected.

        Raises:
            HostKeyRefused: The host is not who it should be.
            Unreachable: No connection, or no login; the message says which.
        """
        if self.is_connected:
            return
        with self._explained():
            self._set(client=self._new_client())
            try:
                self.client.connect(
                    hostname=self.ssh_config.get("hostkeyalias", self.host),
                    port=self.port,
                    username=self.user,
                    sock=self._socket(),
                    timeout=CONNECT_SECONDS,
                    banner_timeout=CONNECT_SECONDS,
                    auth_timeout=CONNECT_SECONDS,
                    channel_timeout=CONNECT_SECONDS,
                    **self._identity_arguments(),
                )
            except BaseException:
                self.client.close()
                raise
            self.transport = self.client.get_transport()
            watch(self.transport, self._pulse)

    def channel(self, command: str) -> paramiko.Channel:
        """Open a channel and start a command on it; connects first where needed.

        Raises:
            Unreachable: No connection.
            ConnectionLost: The link does not answer any more.
        """
        self.open()
        try:
            channel: paramiko.Channel = self.transport.open_session(timeout=CONNECT_SECONDS)
            channel.exec_command(command)
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
    def _known_hosts_name(self) -> str:
        """How known_hosts spells this host."""
        plain = self.port == paramiko.config.SSH_PORT
        return str(self.host) if plain else f"[{self.host}]:{self.port}"

    def get_gateway(self) -> Connection | None:
        """Return the jump host of the SSH configuration, made as strictly as ourselves."""
        jumps = self.ssh_config.get("proxyjump", "none")
        if jumps == "none":
            if "proxycommand" in self.ssh_config:
                raise InventoryError(
                    f"{self._address.place}.host: the SSH configuration uses ProxyCommand, which "
                    "cannot be watched",
                    "use ProxyJump instead",
                )
            return None
        gateway: Connection | None = None
        # `a,b,c` is passed in this order: each is the gateway of the next.
        for jump in jumps.split(","):
            hop = self.derive_shorthand(jump.removeprefix("ssh://"))
            if hop["host"] == self.original_host:
                return None  # a wildcard in the configuration: the jump host itself
            address = Address(
                hop["host"],
                hop["port"],
                hop["user"],
                ssh_config=self._address.ssh_config,
                place=f"{self._address.place} (jump host)",
            )
            gateway = Connection(address, self._pulse, gateway)
        return gateway

    def _new_client(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        if self._address.host_key is None:
            load_known_hosts(client, self.ssh_config)
        client.set_missing_host_key_policy(CheckedKeys(self._address.host_key, self._address.place))
        return client

    def _socket(self) -> socket.socket | paramiko.Channel:
        if self.gateway:
            self.gateway.open()
            hop: paramiko.Channel = self.gateway.transport.open_channel(
                "direct-tcpip", (self.host, self.port), ("", 0), timeout=CONNECT_SECONDS
            )
            return hop
        sock = socket.create_connection((self.host, self.port), CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _identity_arguments(self) -> dict[str, Any]:
        """What to log in with; with IdentitiesOnly, nothing but what was configured.

        OpenSSH then still asks the agent, but only for the configured keys; so do we.
        """
        files = [Path(name).expanduser() for name in self.ssh_config.get("identityfile", [])]
        if self.ssh_config.get("identitiesonly", "no") != "yes":
            return {"key_filename": [str(file) for file in files if file.is_file()] or None}
        wanted = {blob for file in files if (blob := _public_blob(file))}
        held = [key for key in paramiko.Agent().get_keys() if key.asbytes() in wanted]
        if held:
            return {"pkey": held[0], "allow_agent": False, "look_for_keys": False}
        names = [str(file) for file in files if file.is_file()]
        return {"key_filename": names, "allow_agent": False, "look_for_keys": False}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn every failure to connect into one line with a hint."""
        where = f"{self.host}:{self.port}"
        try:
            yield
        except OpsError:
            raise
        except paramiko.BadHostKeyException as error:
            name = (
                self.host if self.port == paramiko.config.SSH_PORT else f"[{self.host}]:{self.port}"
            )
            raise changed_key(name, error) from error
        except paramiko.PasswordRequiredException as error:
            raise Unreachable(
                f"{where}: the key is encrypted and no agent holds it", "run: ssh-add"
            ) from error
        except paramiko.AuthenticationException as error:
            raise Unreachable(
                f"{where}: login refused for user {self.user}",
                f"try: ssh -p {self.port} {self.user}@{self.host}; "
                f"the user and key come from {self._address.place} and the SSH configuration",
            ) from error
        except socket.gaierror as error:
            raise Unreachable(
                f"{self.host}: no such host: {error.strerror}", f"check {self._address.place}.host"
            ) from error
        except TimeoutError as error:
            raise Unreachable(
                f"{where}: no answer within {CONNECT_SECONDS:.0f} s",
                "is the host up, and does the network or a firewall let you through?",
            ) from error
        except (ConnectionRefusedError, NoValidConnectionsError) as error:
            raise Unreachable(
                f"{where}: connection refused: nothing listens there",
                f"check {self._address.place}.port, and that sshd runs",
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"{where}: no SSH connection: {str(error) or type(error).__name__}",
                f"try: ssh -v -p {self.port} {self.user}@{self.host}",
            ) from error


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


def _public_blob(identity: Path) -> bytes | None:
    """Return the public half of a key file, from the `.pub` beside it (or the file itself)."""
    for file in (identity.with_name(identity.name + ".pub"), identity):
        try:
            return bytes(PublicBlob.from_file(str(file)).key_blob)
        except (OSError, ValueError, UnicodeDecodeError):
            continue
    return None
