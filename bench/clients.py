"""The clients that are compared, each run in a process of its own by the benchmarks.

`python -m bench.clients NAME SSH_CONFIG COMMAND REPEAT` connects, runs the command once to warm
up where it is run many times, then REPEAT times; it prints [seconds, peak memory in MB] as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import fabric
from paramiko import SSHConfig

from bench.measure import peak_memory
from ops.host.connection import Address
from ops.host.job import Job, run_job
from ops.host.output import Output
from ops.host.script import Script
from ops.host.ssh import SshHost
from ops.sandbox.ssh import HOST_ALIAS
from ops.secrets import Redactor, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PREFIX: Final = "prod | "


@contextmanager
def _ops_host(config: Path) -> Iterator[SshHost]:
    host = SshHost(Address(HOST_ALIAS, ssh_config=config))
    host.connect()
    try:
        yield host
    finally:
        host.close()


@contextmanager
def _screen_and_log(config: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    with Path("/dev/null").open("wb") as screen, (config.parent / "log").open("wb") as log:
        yield screen, log


@contextmanager
def ops_stream(config: Path, command: str) -> Iterator[Callable[[], None]]:
    """Stream as our scripts do: cleaned of a secret, prefixed to the screen, whole to a log."""
    with _ops_host(config) as host, _screen_and_log(config) as (screen, log):

        def run() -> None:
            output = Output(Redactor([Secret("correct horse battery")]), PREFIX, screen, log)
            with host.open(Script(command)) as process:
                process.finish_input()
                for block in process.blocks():
                    output.feed(block)
                output.finish()
                _must_be_zero(process.wait())

        yield run


@contextmanager
def ops_job(config: Path, command: str) -> Iterator[Callable[[], None]]:
    """Stream as our steps do: a detached job, whose log on the host is followed."""

    class Watcher:
        def __init__(self, output: Output) -> None:
            self.output = output.feed

        def notice(self, text: str) -> None:
            raise SystemExit(f"the connection broke: {text}")

    with _ops_host(config) as host, _screen_and_log(config) as (screen, log):

        def run() -> None:
            output = Output(Redactor([Secret("correct horse battery")]), PREFIX, screen, log)
            directory = f"{config.parent}/jobs/{time.time_ns()}/step"
            code = run_job(host, Job(directory), Script(command), Watcher(output))
            output.finish()
            _must_be_zero(code)

        yield run


@contextmanager
def ops_run(config: Path, command: str) -> Iterator[Callable[[], None]]:
    """Run small scripts as our facts do."""
    with _ops_host(config) as host:
        yield lambda: _must_be_zero(host.run(Script(command)).exit_code)


@contextmanager
def fabric_run(config: Path, command: str) -> Iterator[Callable[[], None]]:
    """Run as a plain fabfile does. Fabric has no prefixes and no log; its output is hidden."""
    settings = fabric.Config(ssh_config=SSHConfig.from_path(str(config)))
    with fabric.Connection(HOST_ALIAS, config=settings) as connection:
        connection.open()
        yield lambda: _must_be_zero(
            connection.run(command, hide=True, in_stream=False, warn=True).exited
        )


def _must_be_zero(code: int) -> None:
    if code:
        raise SystemExit(f"the command failed: exit code {code}")


CLIENTS: Final = {
    "ops": ops_stream,
    "ops-job": ops_job,
    "ops-run": ops_run,
    "fabric": fabric_run,
}


def main() -> None:
    """Measure one client, as the command line says."""
    name, config, command, repeat = sys.argv[1:]
    times = int(repeat)
    with CLIENTS[name](Path(config), command) as run:
        if times > 1:
            run()
        began = time.perf_counter()
        for _ in range(times):
            run()
        seconds = time.perf_counter() - began
    print(json.dumps([seconds, peak_memory()]))


if __name__ == "__main__":
    main()
