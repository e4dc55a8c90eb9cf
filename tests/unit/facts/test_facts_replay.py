"""Recorded answers of hosts, read again: script, raw output and fact lie beside each other."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ops.errors import OpsError
from ops.facts.gather import facts_script, gather, shell_sql
from ops.facts.git import parse_batch
from ops.host.script import shell_text
from ops.inventory import Environment
from ops.secrets import Redactor
from tests.facts_cases import CASES, MARK, neutral, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Completed, Process
    from ops.host.script import Renderable

DATA = Path(__file__).parents[2] / "data" / "facts"
NAMES = sorted(path.name for path in DATA.iterdir())


class Replay:
    """A host that says what another one said, a byte or a block at a time."""

    label = login = "replayed"

    def __init__(self, folder: Path, size: int) -> None:
        self.stdout = (folder / "stdout").read_bytes()
        self.stderr = (folder / "stderr").read_bytes()
        self.size = size
        self.sent = b""
        self.finished = False

    @contextmanager
    def open(self, script: Renderable) -> Iterator[Process]:
        yield self

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self.stdout), self.size):
            yield self.stdout[start : start + self.size]

    def send(self, data: bytes) -> None:
        assert not self.finished
        self.sent += data

    def finish_input(self) -> None:
        self.finished = True

    def wait(self) -> int:
        return 0

    def errors(self) -> bytes:
        return self.stderr

    def close(self) -> None:
        raise AssertionError("not asked for")

    def run(self, script: Renderable) -> Completed:
        raise AssertionError("not asked for")

    def reconnect(self) -> None:
        raise AssertionError("not asked for")


def loaded(name: str) -> tuple[Environment, bool]:
    case = json.loads((DATA / name / "case.json").read_text(encoding="utf-8"))
    environment = msgspec.convert(case["environment"], Environment)
    return environment, case["fetch"]


@pytest.fixture(autouse=True)
def _known_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.facts.gather.secrets.token_hex", lambda size: MARK)


def test_every_case_is_recorded() -> None:
    assert sorted(CASES) == NAMES


@pytest.mark.parametrize("size", [997, 1 << 20])
@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_answer_is_read_as_this_fact(name: str, size: int) -> None:
    environment, fetch = loaded(name)
    replay = Replay(DATA / name, size)
    found = told(replay, environment, fetch=fetch)
    text = neutral(json.dumps(found, ensure_ascii=False), "/srv/case", 5432)
    expected: dict[str, Any] = json.loads((DATA / name / "expected.json").read_text("utf-8"))
    assert json.loads(text) == expected
    assert replay.finished, "the script would wait for ever"


@pytest.mark.parametrize("name", NAMES)
def test_the_script_of_a_case_has_these_values(name: str) -> None:
    environment, fetch = loaded(name)
    script = facts_script(environment, f"@{MARK}", fetch=fetch).masked()
    body = "".join(shell_text("ops.facts", part) for part in ("database", "url", "facts"))
    script = script.replace(body.rstrip("\n"), "# database.sh, url.sh and facts.sh")
    script = script.replace(shlex.quote(shell_sql("facts")), "facts.sql")
    assert script == (DATA / name / "script.sh").read_text(encoding="utf-8")


def test_the_database_gets_its_password_on_stdin_only() -> None:
    environment, _ = loaded("healthy")
    replay = Replay(DATA / "healthy", 64)
    told(replay, environment, fetch=True)
    lines = replay.sent.decode().split("\n")
    assert "PGPASSWORD=only-for-tests" in lines
    assert "OPS_SCHEMA=public" in lines
    assert lines[-2:] == ["", ""], "an empty line ends the variables"
    assert "only-for-tests" not in facts_script(environment, "@", fetch=True).render()


@pytest.mark.parametrize("name", ["healthy", "url-pooled-and-direct", "no-such-database"])
def test_the_gate_knows_every_secret_once_the_urls_are_read(name: str) -> None:
    environment, fetch = loaded(name)
    replay = Replay(DATA / name, 64)
    replay.stdout = replay.stdout.replace(b"only-for-tests", b"p%40ss%2Fword")
    gate = Redactor()
    with suppress(OpsError):  # what was learnt must hold after a failure too
        gather(replay, environment, gate, fetch=fetch)
    for spelling in ("p@ss/word", "p%40ss%2Fword"):
        assert spelling not in gate.text(f"a line with {spelling} in it")
    assert "app" in gate.text("the name of the app")


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (b"abc missing\n", "abc missing"),
        (b"abc tree 3\nxyz\n", "abc tree 3"),
        (b"abc", "abc"),
    ],
)
def test_an_object_that_git_cannot_give_is_unknown(output: bytes, problem: str) -> None:
    with pytest.raises(Exception, match=problem):
        parse_batch(output)
