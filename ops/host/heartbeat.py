"""A heartbeat that checks replies.

Paramiko's own keepalive sends and never looks for an answer, so a frozen link stays `active` for
ever (paramiko/transport.py: `global_request(..., wait=False)`). Here each ping waits for its
reply; any reply will do, OpenSSH answers `keepalive@openssh.com` with a refusal. So does anything
else that comes in: on a slow line a reply may stand behind two megabytes of output.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import paramiko


@dataclass(frozen=True)
class Pulse:
    """How often a link is tried, and how long it may be silent. Seconds."""

    interval: float = 4.0
    silence: float = 12.0


class Heard:
    """A socket (or the channel of a jump host) that remembers when something last came in.

    Attributes:
        last: When, by the monotonic clock.
        answers: How many pings have been answered.
    """

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self._sock = sock
        self.last = time.monotonic()
        self.answers = 0

    def recv(self, size: int) -> bytes:
        """Receive, as a socket does."""
        data = self._sock.recv(size)
        if data:
            self.last = time.monotonic()
        return data

    def abort(self) -> None:
        """End the connection under whoever uses it. It is still to be closed."""
        with suppress(OSError):  # it has ended by itself
            self._sock.shutdown(socket.SHUT_RDWR)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def watch(transport: paramiko.Transport, heard: Heard, pulse: Pulse) -> None:
    """Close the transport when nothing has come in for `pulse.silence` seconds.

    Two daemon threads: one asks, the other looks at the clock. They end with the transport.
    """

    def ask() -> None:
        try:
            while transport.is_active():
                transport.global_request("keepalive@openssh.com", wait=True)
                heard.answers += 1
                transport.join(pulse.interval)
        except (EOFError, OSError, paramiko.SSHException):
            # The link broke while asking: the transport's own thread sees it too.
            return

    def look() -> None:
        while transport.is_active():
            if time.monotonic() - heard.last > pulse.silence:
                transport.close()
                return
            transport.join(min(0.5, pulse.interval / 4))

    for target in (ask, look):
        threading.Thread(target=target, name=f"heartbeat-{target.__name__}", daemon=True).start()
