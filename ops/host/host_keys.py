"""Is this the host we mean? known_hosts, or a fingerprint pinned in the inventory.

Fabric accepts every key, also one that has changed. Here an unknown key, a changed key and a key
that is not the pinned one are refused, with both fingerprints and the command that mends it.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import paramiko

from ops.errors import HostKeyRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM_FILES: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_USER_FILES: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


def fingerprint(key: paramiko.PKey) -> str:
    """Return a key's fingerprint as OpenSSH prints it: `SHA256:` and unpadded base64."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class CheckedKeys(paramiko.MissingHostKeyPolicy):
    """Paramiko's policy for a key that known_hosts does not know.

    Args:
        pinned: The fingerprint from the inventory, or None: then every unknown key is refused.
        place: Where in the inventory the host stands, for the message.
    """

    def __init__(self, pinned: str | None, place: str) -> None:
        self._pinned = pinned
        self._place = place

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002 - paramiko's interface
        hostname: str,
        key: paramiko.PKey,
    ) -> None:
        """Raise HostKeyRefused unless the key is the pinned one."""
        found = fingerprint(key)
        if self._pinned == found:
            return
        if self._pinned is not None:
            raise HostKeyRefused(
                f"{hostname}: the host key is not the pinned one: pinned {self._pinned}, "
                f"got {found} ({key.get_name()})",
                "do not go on before you know why; if the host was really given a new key, "
                f"write it into the inventory: {self._place}.host_key",
            )
        raise HostKeyRefused(
            f"{hostname}: the host key is unknown: known_hosts has none, got {found} "
            f"({key.get_name()})",
            "compare it with what the host's console or provider shows, then pin it: "
            f'{self._place}.host_key: "{found}"',
        )


def changed_key(hostname: str, error: paramiko.BadHostKeyException) -> HostKeyRefused:
    """Return the refusal of a key that differs from the one in known_hosts."""
    return HostKeyRefused(
        f"{hostname}: the host key has CHANGED: known_hosts has {fingerprint(error.expected_key)}, "
        f"got {fingerprint(error.key)} ({error.key.get_name()})",
        "somebody may be in between; if the host was really given a new key: "
        f"ssh-keygen -R '{hostname}', then pin the new one",
    )


def load_known_hosts(client: paramiko.SSHClient, ssh_config: Mapping[str, object]) -> None:
    """Load the known_hosts files that OpenSSH would use for this host.

    A file that is missing, and a line that cannot be read, count as nothing known.
    """
    configured = ssh_config.get("userknownhostsfile")
    user_files = str(configured).split() if configured else list(_USER_FILES)
    for name in (*user_files, *_SYSTEM_FILES):
        path = Path(name.strip('"')).expanduser()
        if path.is_file():
            client.load_system_host_keys(str(path))
