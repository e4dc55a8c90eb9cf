"""A host reached by SSH: every script is a channel of its own on one connection.

Output is read from the channel block by block. It does not go through Invoke's runner, which
joins everything received so far for each new block (invoke/runners.py, `respond`), so that 15 MB
cost half a minute, and which cuts UTF-8 characters at block edges.
"""

from __future__ import annotations

import shlex
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ops.errors import ConnectionLost
from ops.host.base import Completed, Process, collect
from ops.host.connection import Address, Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import paramiko

    from ops.host.heartbeat import Heard, Pulse
    from ops.host.script import Renderable

_BLOCK: Final = 64 * 1024
_LOOK_SECONDS: Final = 0.5
_ENDING_SECONDS: Final = 0.5


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

    @property
    def login(self) -> str:
        """The command of OpenSSH's client, with the configuration that we use."""
        address = self._address
        words = ["ssh"]
        if address.ssh_config:
            words += ["-F", str(address.ssh_config)]
        if address.port:
            words += ["-p", str(address.port)]
        words.append(f"{address.user}@{address.host}" if address.user else address.host)
        return shlex.join(words)

    def connect(self) -> None:
        """Connect now, so that trouble shows here.

        Raises:
            HostKeyRefused: The host is not who it should be.
            Unreachable: No connection, or no login; the message says which.
        """
        self._connection.open()

    @contextmanager
    def open(self, script: Renderable) -> Iterator[Process]:
        """Start a script on a channel of its own."""
        channel = self._connection.channel("sh -s")
        process = _SshProcess(channel, self._connection.heard, self.label)
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
        self._connection.close()


class _SshProcess:
    def __init__(self, channel: paramiko.Channel, heard: Heard, label: str) -> None:
        self._channel = channel
        self._heard = heard
        self._label = label
        self._errors = bytearray()
        channel.settimeout(_LOOK_SECONDS)
        self._reader = threading.Thread(target=self._read_errors, name="stderr", daemon=True)
        self._reader.start()

    def blocks(self) -> Iterator[bytes]:
        return self._read(self._channel.recv)

    def send(self, data: bytes) -> None:
        try:
            while data:
                if self._channel.exit_status_ready():
                    # It ended before it had read all: its exit code tells; or the link did.
                    if self._channel.exit_status == -1 and self._transport_gone():
                        raise self._lost()
                    return
                with suppress(TimeoutError):  # it does not read yet
                    data = data[self._channel.send(data[:_BLOCK]) :]
        except (OSError, EOFError) as error:
            if self._transport_gone():
                raise self._lost() from error

    def finish_input(self) -> None:
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError) as error:
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
        with suppress(OSError, EOFError):  # the link is gone, and the channel with it
            self._channel.close()

    def _read_errors(self) -> None:
        for block in self._read(self._channel.recv_stderr):
            self._errors += block

    def _read(self, receive: Callable[[int], bytes]) -> Iterator[bytes]:
        """Read to the end: of the stream, or of the script when something it left holds that.

        The exit code may come before the last output. A ping that was sent after it and has been
        answered, though, came behind all of that.
        """
        enough: int | None = None
        while True:
            answers = self._heard.answers
            try:
                block = receive(_BLOCK)
            except TimeoutError:
                if enough is not None and answers >= enough:
                    return
                if enough is None and self._channel.exit_status_ready():
                    enough = self._heard.answers + 2  # the next one may be on its way already
                continue
            except EOFError:
                return  # the link broke while the window was widened: `wait` says so
            if not block:
                return
            yield block

    def _transport_gone(self) -> bool:
        transport = self._channel.get_transport()
        # A transport that ends closes its channels first and says so a moment later.
        transport.join(_ENDING_SECONDS)
        return not transport.is_active()

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"{self._label}: the connection is gone")
