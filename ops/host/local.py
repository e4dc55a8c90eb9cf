"""This machine as a host: the same scripts, without SSH."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from ops.host.base import Completed, Process, collect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.host.script import Renderable

QUIET_SECONDS: Final = 1.0
"""How long a script's outputs must be silent after its exit, where something it started holds them
open; and how long a script may take to end when nobody looks any more."""
_BLOCK: Final = 64 * 1024


class LocalHost:
    """Runs scripts with this machine's `sh`.

    Args:
        environment: The environment of the scripts; default: this process's own.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment

    @property
    def label(self) -> str:
        """`local`."""
        return "local"

    @property
    def login(self) -> str:
        """`sh`."""
        return "sh"

    @contextmanager
    def open(self, script: Renderable) -> Iterator[Process]:
        """Start a script in a session of its own, so that Ctrl-C here does not reach it."""
        child = subprocess.Popen(
            ["sh", "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        process = _LocalProcess(child)
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
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


class _LocalProcess:
    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._stdin, self._stdout, self._stderr = _pipes(child)
        self._errors = bytearray()
        self._reader = threading.Thread(target=self._read_errors, name="stderr", daemon=True)
        self._reader.start()

    def blocks(self) -> Iterator[bytes]:
        return self._read(self._stdout)

    def send(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # it ended before it had read all: its exit code tells
            self._stdin.write(data)
            self._stdin.flush()

    def finish_input(self) -> None:
        with suppress(BrokenPipeError):
            self._stdin.close()

    def wait(self) -> int:
        return self._child.wait()

    def errors(self) -> bytes:
        self._reader.join()
        return bytes(self._errors)

    def close(self) -> None:
        self.finish_input()
        self._stdout.close()
        try:
            self._child.wait(QUIET_SECONDS)
        except subprocess.TimeoutExpired:
            # Somebody stopped looking. Jobs have long cut themselves loose from this shell.
            self._child.terminate()
            self._child.wait()
        self._reader.join()
        self._stderr.close()

    def _read_errors(self) -> None:
        for block in self._read(self._stderr):
            self._errors += block

    def _read(self, pipe: IO[bytes]) -> Iterator[bytes]:
        """Read to the end: of the stream, or of the script when something it left holds that."""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                if not selector.select(QUIET_SECONDS):
                    if self._child.poll() is not None:
                        return
                    continue
                block = os.read(pipe.fileno(), _BLOCK)
                if not block:
                    return
                yield block


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert child.stdin is not None  # noqa: S101 - asked for above
    assert child.stdout is not None  # noqa: S101
    assert child.stderr is not None  # noqa: S101
    return child.stdin, child.stdout, child.stderr
