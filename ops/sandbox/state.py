"""state.json: what a sandbox has left running and lying about, so that `down` finds all of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from ops.errors import UsageError
from ops.sandbox.process import Process  # noqa: TC001 - msgspec reads the annotations
from ops.sandbox.ssh import SshServer  # noqa: TC001 - the same

if TYPE_CHECKING:
    from pathlib import Path


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that outlives the process that made the sandbox.

    Attributes:
        prisma: Major version.
        engine: How scripts are sent.
        incident: What was made to happen last.
        postgres: `16`, `18`, or `named` for a server that the user named.
        clients: Major version of the client programs.
        host: Address of the database server.
        port: Its TCP port.
        database: Name of the app's database.
        owner: The sandbox's own role, and its password.
        app: The app's role, and its password.
        maintenance: Database to connect to for dropping ours; on a named server only.
        parameters: What follows the `?` of the URL.
        cluster: Directory of the cluster; None on a named server.
        processes: What runs, by name.
        ssh: The SSH server, once it runs.
        ready: Whether `up` came to its end.
    """

    prisma: int
    engine: str
    incident: str
    postgres: str
    clients: str
    host: str = ""
    port: int = 0
    database: str = ""
    owner: tuple[str, str] = ("", "")
    app: tuple[str, str] = ("", "")
    maintenance: str = ""
    parameters: str = "schema=public"
    cluster: str | None = None
    processes: dict[str, Process] = {}
    ssh: SshServer | None = None
    ready: bool = False

    def save(self, file: Path) -> None:
        """Write the file, 0600 from the start, all of it or nothing."""
        partial = file.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(msgspec.json.format(msgspec.json.encode(self), indent=2))
        partial.replace(file)

    @classmethod
    def load(cls, file: Path) -> State | None:
        """Read the file; None where there is none.

        Raises:
            UsageError: It is not a sandbox's.
        """
        if not file.exists():
            return None
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except msgspec.MsgspecError as error:
            raise UsageError(f"{file} is not a sandbox's state: {error}") from error
