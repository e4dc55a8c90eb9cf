"""A host reached by SSH: every script is a channel of its own on one connection.

Output is read from the channel block by block. It does not go through Invoke's runner, which
joins everything received so far for each new block (invoke/runners.py, `respond`), so that 15 MB
cost half a minute, and which cuts UTF-8 characters at block edges.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ops.errors import ConnectionLost
from ops.host.base import Completed, Process, collect
from ops.host.connection import Address, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    import paramiko

    from ops.host.heartbeat import Pulse
    from ops.host.script import Renderable

_BLOCK: Final = 64 * 1024


class SshHost:
    """A machine reached by SSH. Connects when the first script is opened.

    Args:
        address: Whom to reach, and how.
        pulse: How the link is watched.
    """

    def __init__(self, address: Address, pulse: Pulse | None = None) -> None:
        self._address = address
        self._pulse = pulse
        self._connection = Connection(address, pulse)

    @property
    def label(self) -> str:
        """`user@host`."""
        return str(self._connection.label)

    def connect(self) -> None:
        """Connect now, so that trouble shows here. Raises Unreachable."""
        self._connection.open()

    @contextmanager
    def open(self, script: Renderable) -> Iterator[Process]:
        """Start a script on a channel of its own."""
        process = _SshProcess(self._connection.channel("sh -s"), self.label)
        try:
            process.send(script.render().encode())
            yield process
        finally:
            process.close()

    def run(self, script: Renderable) -> Completed:
        """Run a script to its end."""
        with self.open(script) as process:
            return collect(process)

    def reconnect(self) -> None:
        """Drop what is left of the connection and make a new one."""
        self.close()
        self._connection = Connection(self._address, self._pulse)
        self._connection.open()

    def close(self) -> None:
        """End the connection, and those to its jump hosts."""
        connection: Connection | None = self._connection
        while connection:
            connection.close()
            connection = connection.gateway


class _SshProcess:
    def __init__(self, channel: paramiko.Channel, label: str) -> None:
        self._channel = channel
        self._label = label
        self._errors = bytearray()
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def blocks(self) -> Iterator[bytes]:
        while block := self._channel.recv(_BLOCK):
            yield block

    def send(self, data: bytes) -> None:
        try:
            self._channel.sendall(data)
        except OSError as error:
            if self._transport_gone():
                raise self._lost() from error
            # the script ended before it had read all: its exit code tells

    def finish_input(self) -> None:
        try:
            self._channel.shutdown_write()
        except OSError as error:
            if self._transport_gone():
                raise self._lost() from error

    def wait(self) -> int:
        exit_code = self._channel.recv_exit_status()
        # -1: no exit status came. Killed by a signal, unless the link is gone.
        if exit_code == -1 and self._transport_gone():
            raise self._lost()
        return exit_code

    def errors(self) -> bytes:
        self._reader.join()
        return bytes(self._errors)

    def close(self) -> None:
        self._channel.close()

    def _read_errors(self) -> None:
        for block in iter(lambda: self._channel.recv_stderr(_BLOCK), b""):
            self._errors += block

    def _transport_gone(self) -> bool:
        return not self._channel.get_transport().is_active()

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"{self._label}: the connection is gone")
