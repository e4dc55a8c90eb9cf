"""A heartbeat that checks replies.

Paramiko's own keepalive sends and never looks for an answer, so a frozen link stays `active` for
ever (paramiko/transport.py: `global_request(..., wait=False)`). Here each ping waits for its
reply; any reply will do, OpenSSH answers `keepalive@openssh.com` with a refusal.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import paramiko


@dataclass(frozen=True)
class Pulse:
    """How often a link is tried, and how long it may be silent. Seconds."""

    interval: float = 4.0
    silence: float = 12.0


def watch(transport: paramiko.Transport, pulse: Pulse) -> None:
    """Close the transport when the other side has not answered for `pulse.silence` seconds.

    Two daemon threads: one asks and waits, the other looks at the clock. They end with the
    transport.
    """
    answered = [time.monotonic()]

    def ask() -> None:
        while transport.is_active():
            transport.global_request("keepalive@openssh.com", wait=True)
            answered[0] = time.monotonic()
            time.sleep(pulse.interval)

    def look() -> None:
        while transport.is_active():
            if time.monotonic() - answered[0] > pulse.silence:
                transport.close()
                return
            time.sleep(min(0.5, pulse.interval / 4))

    for target in (ask, look):
        threading.Thread(target=target, name=f"heartbeat-{target.__name__}", daemon=True).start()
