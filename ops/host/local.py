"""This machine as a host: the same scripts, without SSH."""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from ops.host.base import Completed, Process, collect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.host.script import Renderable

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

    @contextmanager
    def open(self, script: Renderable) -> Iterator[Process]:
        """Start a script in a session of its own, so that Ctrl-C here does not reach it."""
        with subprocess.Popen(
            ["sh", "-s"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        ) as child:
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
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def blocks(self) -> Iterator[bytes]:
        while block := self._stdout.read1(_BLOCK):  # type: ignore[attr-defined]
            yield block

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

    def _read_errors(self) -> None:
        for block in iter(lambda: self._stderr.read(_BLOCK), b""):
            self._errors += block


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert child.stdin is not None  # noqa: S101 - asked for above
    assert child.stdout is not None  # noqa: S101
    assert child.stderr is not None  # noqa: S101
    return child.stdin, child.stdout, child.stderr
