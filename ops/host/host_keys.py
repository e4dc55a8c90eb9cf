"""Is this the host we mean? known_hosts, or a fingerprint pinned in the inventory.

Fabric accepts every key, also one that has changed. Here an unknown key, a changed key, a revoked
key and a key that is not the pinned one are refused, with the fingerprints and the command that
mends it. The files are read here, because Paramiko's reader stops at the first line with a marker,
knows no wildcards, and compares with one key only where a host has several of a kind.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import paramiko

from ops.errors import HostKeyRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SYSTEM_FILES: Final = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_USER_FILES: Final = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_RSA_SIGNATURES: Final = ("rsa-sha2-512", "rsa-sha2-256")


def fingerprint(blob: bytes) -> str:
    """Return a public key's fingerprint as OpenSSH prints it: `SHA256:` and unpadded base64."""
    digest = hashlib.sha256(blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class KnownKey:
    """A key that a known_hosts file names for a host."""

    kind: str
    blob: bytes
    file: Path


@dataclass(frozen=True)
class Known:
    """What the known_hosts files say about one host.

    Args:
        name: How they spell the host.
        keys: Those it may have.
        revoked: Those that nobody may have any more.
        file: Where a new key would be written.
    """

    name: str
    keys: tuple[KnownKey, ...]
    revoked: tuple[KnownKey, ...]
    file: Path


def known_name(host: str, port: int, alias: str | None) -> str:
    """Return how known_hosts spells a host. An alias stands there without a port."""
    if alias:
        return alias
    return host if port == paramiko.config.SSH_PORT else f"[{host}]:{port}"


def read_known_hosts(name: str, ssh_config: Mapping[str, object]) -> Known:
    """Read the known_hosts files that OpenSSH would use for a host.

    A file that is missing or unreadable, and a line that makes no sense, count as nothing known.
    """
    user = _files(ssh_config.get("userknownhostsfile") or _USER_FILES)
    system = _files(ssh_config.get("globalknownhostsfile") or _SYSTEM_FILES)
    found: dict[str, list[KnownKey]] = {"": [], "@revoked": []}
    for file in (*user, *system):
        for marker, key in _entries(file, name):
            found.setdefault(marker, []).append(key)
    target = user[0] if user else Path("~/.ssh/known_hosts").expanduser()
    return Known(name, tuple(found[""]), tuple(found["@revoked"]), target)


class CheckedKeys(paramiko.MissingHostKeyPolicy):
    """Paramiko's policy, asked for every key, because its own list of known keys stays empty.

    Args:
        known: What known_hosts says.
        pinned: The fingerprint from the inventory, which then alone counts; or None.
        place: Where in the inventory the host stands; None for a jump host, which stands nowhere.
    """

    def __init__(self, known: Known, pinned: str | None, place: str | None) -> None:
        self._known = known
        self._pinned = pinned
        self._place = place

    def prefer(self, transport: paramiko.Transport) -> None:
        """Ask the host for a key of a kind that is known, where it has several."""
        options = transport.get_security_options()
        kinds = [kind for key in self._known.keys for kind in _signatures(key.kind)]
        first = [kind for kind in dict.fromkeys(kinds) if kind in options.key_types]
        if first and self._pinned is None:
            others = (kind for kind in options.key_types if kind not in first)
            options.key_types = (*first, *others)

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002 - paramiko's interface
        hostname: str,  # noqa: ARG002 - spelled otherwise than in known_hosts
        key: paramiko.PKey,
    ) -> None:
        """Raise HostKeyRefused unless this is a key that the host may have."""
        blob = key.asbytes()
        found = f"{fingerprint(blob)} ({key.get_name()})"
        name = self._known.name
        if self._pinned is not None:
            if fingerprint(blob) != self._pinned:
                raise HostKeyRefused(
                    f"{name}: the host key is not the pinned one: pinned {self._pinned}, "
                    f"got {found}",
                    "do not go on before you know why; if the host was really given a new key, "
                    f"pin that: {self._pin(key)}",
                )
            return
        if any(blob == revoked.blob for revoked in self._known.revoked):
            raise HostKeyRefused(
                f"{name}: the host key is REVOKED in known_hosts: {found}",
                "somebody may be in between, with a stolen key; ask who revoked it",
            )
        if any(blob == known.blob for known in self._known.keys):
            return
        if not self._known.keys:
            raise HostKeyRefused(
                f"{name}: the host key is unknown: known_hosts has none, got {found}",
                "compare it with what the host's console or provider shows, then pin it: "
                + self._pin(key),
            )
        # Of another kind than asked for: then all that is known is shown.
        same = [known for known in self._known.keys if known.kind == key.get_name()]
        shown = same or list(self._known.keys)
        has = ", ".join(dict.fromkeys(fingerprint(known.blob) for known in shown))
        raise HostKeyRefused(
            f"{name}: the host key has CHANGED: known_hosts has {has}, got {found}",
            "somebody may be in between; if the host was really given a new key: "
            f"ssh-keygen -R {shlex.quote(name)} -f {shlex.quote(str(shown[0].file))}, "
            f"then pin the new one: {self._pin(key)}",
        )

    def _pin(self, key: paramiko.PKey) -> str:
        entry = shlex.quote(f"{self._known.name} {key.get_name()} {key.get_base64()}")
        command = f"echo {entry} >> {shlex.quote(str(self._known.file))}"
        if self._place is None:
            return command
        return f'{self._place}.host_key: "{fingerprint(key.asbytes())}", or: {command}'


def _files(setting: object) -> list[Path]:
    """Split a list of files. Paramiko has taken the outermost quotes away already."""
    text = str(setting)
    if text.lower() == "none":
        return []
    if Path(text).expanduser().is_file():
        return [Path(text).expanduser()]  # one path, perhaps with spaces
    names = text.split('" "') if '" "' in text else text.split()
    return [Path(name.strip('"')).expanduser() for name in names]


def _entries(file: Path, name: str) -> Iterator[tuple[str, KnownKey]]:
    """Yield the marker (or empty) and the key of each line about a host."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return
    for line in lines:
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or not _names(fields[0], name):  # noqa: PLR2004
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        yield marker, KnownKey(fields[1], blob, file)


def _names(patterns: str, name: str) -> bool:
    """Tell whether the first field of a line means a host; `!` excludes."""
    matching = [pattern for pattern in patterns.split(",") if _matches(pattern.lstrip("!"), name)]
    return bool(matching) and not any(pattern.startswith("!") for pattern in matching)


def _matches(pattern: str, name: str) -> bool:
    name = name.lower()
    if pattern.startswith("|1|"):
        try:
            salt, digest = (
                base64.b64decode(part, validate=True) for part in pattern[3:].split("|")
            )
        except ValueError:
            return False
        return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
    expression = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name) is not None


def _signatures(kind: str) -> Iterable[str]:
    """Under which names an SSH server offers a kind of key: RSA keys sign with SHA-2."""
    return _RSA_SIGNATURES if kind == "ssh-rsa" else (kind,)
