"""Both doors, called as people call them, and a host that counts who knocks."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fabric.main import program

from ops import cli

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

ROOT = Path(__file__).parent.parent
GOOD = """\
environments:
  prod:
    hosts: [{host: 127.0.0.1, port: 2222, user: deploy}]
    repo: /srv/app
    database_url: {env: DATABASE_URL}
    backups: /srv/backups
"""


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def errors(self) -> list[str]:
        """The lines of stderr."""
        return self.stderr.splitlines()

    def check_is_one_error(self) -> None:
        """Assert that this is `error: ...` and `hint: ...` with exit code 2, and nothing else."""
        assert self.code == 2, self
        assert self.stdout == "", self
        assert len(self.errors) == 2, self
        assert self.errors[0].startswith("error: "), self
        assert self.errors[1].startswith("hint: "), self
        assert len(self.errors[1]) > len("hint: "), self
        assert "Traceback" not in self.stderr, self


class Doors:
    """Calls `fab` and `ops` in this process, standing in a directory with a fabfile."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.home = home
        self.inventory = home / "inventory.yaml"
        (home / "fabfile.py").write_bytes((ROOT / "fabfile.py").read_bytes())
        monkeypatch.chdir(home)
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("OPS_INVENTORY", raising=False)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)

    def fab(self, *words: str) -> Ended:
        """Call `fab WORDS`."""
        return self._call(["fab", *words], lambda: program.run(["fab", *words]))

    def ops(self, *words: str) -> Ended:
        """Call `ops WORDS`."""
        return self._call(["ops", *words], cli.main)

    def _call(self, argv: Sequence[str], call: object) -> Ended:
        assert callable(call)
        self._monkeypatch.setattr(sys, "argv", list(argv))
        self._capsys.readouterr()
        code: object = 0
        try:
            call()
        except SystemExit as end:
            code = end.code
        finally:
            sys.modules.pop("fabfile", None)
            vars(program).pop("core", None)
        out, err = self._capsys.readouterr()
        return Ended(int(str(code or 0)), out, err)


class Listener:
    """A port where nobody answers: it accepts connections, counts them, and says nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self.knocked = threading.Event()
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed below
            while True:
                connection, _ = self._socket.accept()
                self._held.append(connection)
                self.connections += 1
                self.knocked.set()

    def close(self) -> None:
        """Close the port and all connections."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        for connection in self._held:
            connection.close()
