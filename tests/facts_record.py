"""Record what the script of ops/facts prints on each case's host, as fixture files.

Run it after a change to the script: `python -m tests.facts_record [CASE ...]`. Look at what changed
in `expected.json` before you commit it: that is what the tool believes.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import msgspec

from ops.facts.gather import facts_script, shell_sql
from ops.host.local import LocalHost
from ops.host.script import shell_text
from tests.facts_cases import (
    CASES,
    MARK,
    Server,
    built,
    host_variables,
    neutral,
    neutral_document,
    shared_database,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Process
    from ops.host.script import Renderable
    from tests.facts_cases import Case

DATA = Path(__file__).parent / "data" / "facts"


class _Tee:
    """A process whose outputs are kept."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.stdout = b""
        self.stderr = b""

    def blocks(self) -> Iterator[bytes]:
        for block in self._process.blocks():
            self.stdout += block
            yield block

    def send(self, data: bytes) -> None:
        self._process.send(data)

    def finish_input(self) -> None:
        self._process.finish_input()

    def wait(self) -> int:
        return self._process.wait()

    def errors(self) -> bytes:
        self.stderr = self._process.errors()
        return self.stderr

    def close(self) -> None:
        self._process.close()


class _Recorder(LocalHost):
    """This machine, remembering what the last script printed."""

    tee: _Tee

    @contextmanager
    def open(self, script: Renderable) -> Iterator[Process]:
        with super().open(script) as process:
            self.tee = _Tee(process)
            yield self.tee


def record(case: Case, server: Server, root: Path) -> None:
    """Build, run and write one case."""
    with built(case, root, server) as yard, patch("secrets.token_hex", return_value=MARK):
        host = _Recorder(host_variables(yard))
        environment = yard.environment_of()
        found = neutral_document(told(host, environment, fetch=yard.fetch), yard)
        script = facts_script(environment, f"@{MARK}", fetch=yard.fetch).masked()
    body = "".join(shell_text("ops.facts", part) for part in ("database", "url", "facts"))
    folder = DATA / case.name
    folder.mkdir(parents=True, exist_ok=True)
    inventory = {"environment": msgspec.to_builtins(environment), "fetch": yard.fetch}
    files = {
        "case.json": json.dumps(inventory, indent=1, ensure_ascii=False) + "\n",
        "script.sh": script.replace(
            body.rstrip("\n"), "# database.sh, url.sh and facts.sh"
        ).replace(shlex.quote(shell_sql("facts")), "facts.sql"),
        "expected.json": json.dumps(found, indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in files.items():
        plain = neutral(text, str(root), server.port).replace(str(server.bin), "/srv/pg/bin")
        (folder / name).write_text(plain, encoding="utf-8")
    for name, output in (("stdout", host.tee.stdout), ("stderr", host.tee.stderr)):
        # Not as text: a host's answer may be of any bytes. Paths are replaced, contents are not.
        plain = output.decode("utf-8", "surrogateescape")
        plain = neutral(plain, str(root), server.port).replace(str(server.bin), "/srv/pg/bin")
        (folder / name).write_bytes(plain.encode("utf-8", "surrogateescape"))
    print(f"{case.name}: {found.get('message', 'facts')}")  # noqa: T201


def main(names: list[str]) -> None:
    """Record the named cases, or all."""
    with tempfile.TemporaryDirectory(prefix="prisma-ops-facts-") as folder:
        root = Path(folder)
        server = Server(root / "postgres")
        try:
            shared_database(server, root)
            for name in names or CASES:
                record(CASES[name], server, root / name)
        finally:
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
