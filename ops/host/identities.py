"""Who we are to a host: keys of the agent and key files, as OpenSSH would offer them.

Paramiko's own search keeps only the last of many errors, tries one key of a configured list in the
agent, and knows no IdentitiesOnly. Here every key that may be used is offered, and when none is
taken the message says which and why.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.agent import AgentSSH
from paramiko.pkey import PublicBlob, UnknownKeyType

from ops.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEFAULT_FILES: Final = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")
_AGENT_SECONDS: Final = 10.0
"""How long the agent may take; it may ask a person, so not too short."""


@dataclass
class Login:
    """Logs in on one transport; what Paramiko calls an auth strategy.

    Args:
        user: As whom.
        settings: What the SSH configuration says of the host.
        where: The host and port, for messages.
        place: Where the host comes from, for messages.
    """

    user: str
    settings: Mapping[str, Any]
    where: str
    place: str
    _encrypted: list[Path] = field(default_factory=list)
    _unusable: list[str] = field(default_factory=list)

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Offer one key after the other, those of the agent first.

        Raises:
            Unreachable: None was taken.
            paramiko.SSHException: The connection ended meanwhile.
        """
        offered = 0
        with self._keys() as keys:
            for key in keys:
                offered += 1
                if self._taken(transport, key):
                    return
        raise self._refusal(offered)

    def _taken(self, transport: paramiko.Transport, key: paramiko.PKey) -> bool:
        try:
            more = transport.auth_publickey(self.user, key)
        except paramiko.BadAuthenticationType as error:
            raise Unreachable(
                f"{self.where}: the host takes no keys, only: {', '.join(error.allowed_types)}",
                "this tool logs in with keys; let sshd take them (PubkeyAuthentication)",
            ) from error
        except (paramiko.SSHException, ValueError) as error:
            # Not this key; unless the whole connection has ended.
            if not transport.is_active():
                raise
            if not isinstance(error, paramiko.AuthenticationException):
                self._unusable.append(str(error))
            return False
        if more:
            raise Unreachable(
                f"{self.where}: the key was taken, but the host also asks for: {', '.join(more)}",
                "this tool cannot answer that; log in with a key alone",
            )
        return True

    @contextmanager
    def _keys(self) -> Iterator[Iterator[paramiko.PKey]]:
        """Give the keys to offer; the agent's connection is open meanwhile, since it signs."""
        configured = [Path(name).expanduser() for name in self.settings.get("identityfile", [])]
        files = configured or [Path(name).expanduser() for name in _DEFAULT_FILES]
        with _Agent.reached(self.settings.get("identityagent")) as held:
            yield self._in_order(held, files)

    def _in_order(self, held: list[paramiko.PKey], files: list[Path]) -> Iterator[paramiko.PKey]:
        only = str(self.settings.get("identitiesonly", "no")).lower() in ("yes", "true")
        wanted = {blob for file in files if (blob := _public_blob(file))}
        ours = [key for key in held if key.asbytes() in wanted]
        yield from ours
        if not only:
            yield from (key for key in held if key not in ours)
        offered = {key.asbytes() for key in held}
        for file in files:
            if _public_blob(file) not in offered and (key := self._load(file)):
                yield key

    def _load(self, file: Path) -> paramiko.PKey | None:
        if not file.is_file():
            return None
        try:
            return paramiko.PKey.from_path(file)
        except (TypeError, paramiko.PasswordRequiredException):
            # What cryptography raises for an encrypted key without a password.
            self._encrypted.append(file)
        except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as error:
            self._unusable.append(f"{file}: {error}")
        return None

    def _refusal(self, offered: int) -> Unreachable:
        if self._encrypted:
            names = ", ".join(str(file) for file in self._encrypted)
            return Unreachable(
                f"{self.where}: no login as {self.user}: the key is encrypted and no agent "
                f"holds it: {names}",
                f"run: ssh-add {self._encrypted[0]}",
            )
        if not offered:
            why = f" ({'; '.join(self._unusable)})" if self._unusable else ""
            return Unreachable(
                f"{self.where}: there is no key to log in with{why}",
                "name one in the SSH configuration (IdentityFile), or: ssh-add",
            )
        return Unreachable(
            f"{self.where}: login refused for user {self.user}, with {offered} "
            f"key{'s' if offered > 1 else ''}",
            f"the user and key come from {self.place} and the SSH configuration; "
            "is the key in ~/.ssh/authorized_keys there?",
        )


class _Agent(AgentSSH):
    """The agent, which is not waited for without end: a forwarded one may be gone."""

    @classmethod
    @contextmanager
    def reached(cls, setting: str | None) -> Iterator[list[paramiko.PKey]]:
        """Give the agent's keys; none where there is no agent, or it does not answer.

        Args:
            setting: IdentityAgent of the SSH configuration; default: $SSH_AUTH_SOCK.
        """
        place = os.environ.get("SSH_AUTH_SOCK", "")
        if setting not in (None, "SSH_AUTH_SOCK"):
            place = "" if setting == "none" else str(Path(setting).expanduser())
        agent = cls()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_AGENT_SECONDS)
            try:
                if place:
                    connection.connect(place)
                    agent._connect(connection)  # type: ignore[attr-defined]  # Agent() takes no other
            except (paramiko.SSHException, OSError, struct.error):
                yield []
            else:
                yield list(agent.get_keys())


def _public_blob(identity: Path) -> bytes | None:
    """Return the public half of a key file, from the `.pub` beside it (or the file itself)."""
    for file in (identity.with_name(identity.name + ".pub"), identity):
        try:
            return bytes(PublicBlob.from_file(str(file)).key_blob)
        except (OSError, ValueError, UnicodeDecodeError):
            continue
    return None
