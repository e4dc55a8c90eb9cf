"""What the benchmarks share: a server on the loopback, fair timing, tables."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from ops.sandbox import ssh

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator, Sequence

PROJECT: Final = Path(__file__).parents[1]


@dataclass(frozen=True)
class Sample:
    """One measurement.

    Attributes:
        seconds: Wall time of what is compared, with the connection open already.
        peak: Most memory the client's process ever held, in MB; None where unknown.
    """

    seconds: float
    peak: float | None


@dataclass(frozen=True)
class Target:
    """A server to measure against, and an OpenSSH connection to it that is open already."""

    root: Path
    kind: str
    master: int

    @property
    def config(self) -> Path:
        """The SSH configuration that names the server `sandbox`."""
        return self.root / "ssh_config"

    def ssh(self, command: str) -> list[str]:
        """Return the `ssh` command line that runs a command over the open connection."""
        control = f"ControlPath={self.root}/control"
        return ["ssh", "-F", str(self.config), "-o", control, ssh.HOST_ALIAS, command]

    def run_ssh(self, command: str, pipe: Sequence[str] = ()) -> Sample:
        """Run a command through `ssh`, its output to /dev/null, or through a filter first."""
        began = time.perf_counter()
        if pipe:
            with subprocess.Popen(self.ssh(command), stdout=subprocess.PIPE) as client:
                subprocess.run(pipe, stdin=client.stdout, stdout=subprocess.DEVNULL, check=True)
            if client.returncode:
                raise SystemExit(f"ssh: exit code {client.returncode}")
        else:
            subprocess.run(self.ssh(command), stdout=subprocess.DEVNULL, check=True)
        # The master is the process that decrypts.
        return Sample(time.perf_counter() - began, peak_memory(self.master))

    def run_client(self, name: str, command: str, repeat: int = 1) -> Sample:
        """Run a command in one of the clients of `bench.clients`, in a process of its own."""
        argv = [sys.executable, "-m", "bench.clients", name, str(self.config), command]
        shown = subprocess.run(
            [*argv, str(repeat)], stdout=subprocess.PIPE, check=True, cwd=PROJECT
        )
        seconds, peak = json.loads(shown.stdout)
        return Sample(seconds, peak)


@contextmanager
def target(kind: ssh.Kind) -> Iterator[Target]:
    """Start a server in a temporary directory, and one OpenSSH connection to it."""
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as directory:
        root = Path(directory)
        (root / "home").mkdir()
        server = ssh.start(root, kind=kind, home=root / "home", environment={}, say=print)
        control = ["ssh", "-F", str(root / "ssh_config"), "-S", str(root / "control")]
        try:
            with subprocess.Popen([*control, "-M", "-N", ssh.HOST_ALIAS]) as master:
                try:
                    _await_master([*control, "-O", "check", ssh.HOST_ALIAS])
                    yield Target(root, server.kind, master.pid)
                finally:
                    master.terminate()
        finally:
            ssh.stop(server)


def _await_master(check: Sequence[str]) -> None:
    for _ in range(200):
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise SystemExit("ssh did not connect within 10 seconds")


def peak_memory(pid: int | str = "self") -> float | None:
    """Return the most memory (resident, in MB) that a process ever held; Linux knows it."""
    # Not getrusage(): its peak includes what the parent held when the process was started.
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def middle(samples: Sequence[Sample]) -> Sample:
    """Return the median time and the largest memory."""
    peaks = [sample.peak for sample in samples if sample.peak is not None]
    return Sample(median(sample.seconds for sample in samples), max(peaks, default=None))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table; the first column is text, the others are numbers."""
    print(f"| {' | '.join(head)} |")
    print(f"|---|{'---:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def goal(text: str, *, met: bool) -> bool:
    """Print whether a goal is met, and return it."""
    print(f"- {'met' if met else '**missed**'}: {text}", flush=True)
    return met


def add_common_options(parser: ArgumentParser, *, runs: int) -> None:
    """Add the options that every benchmark has."""
    parser.add_argument(
        "--runs", type=int, default=runs, metavar="N", help=f"medians of N (default {runs})"
    )
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")


def add_server_option(parser: ArgumentParser) -> None:
    """Add the option that chooses the SSH server."""
    parser.add_argument("--ssh", choices=("auto", "openssh", "builtin"), default="auto")
