"""`ops sandbox ...` from the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ops.errors import UsageError
from ops.sandbox.commands import app
from ops.sandbox.incidents import INCIDENTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPS_SANDBOX", str(tmp_path / "box"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "box"


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, UsageError):
        raise result.exception
    return result.exit_code, result.output


def test_incidents_are_listed() -> None:
    code, output = run("incidents")
    assert code == 0
    assert all(incident.name in output for incident in INCIDENTS)


def test_help_has_examples() -> None:
    for command in ("up", "down", "break", "incidents"):
        code, output = run(command, "--help")
        assert code == 0
        assert f"ops sandbox {command}" in output.split("Example")[1]


def test_down_where_none_is_up_is_harmless(root: Path) -> None:
    assert run("down") == (0, f"no sandbox is up in {root}\n")


def test_break_needs_one_that_is_up() -> None:
    with pytest.raises(UsageError, match="no sandbox is up"):
        run("break", "running")


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--prisma", "5"),
        ("up", "--engine", "x"),
        ("up", "--ssh", "x"),
        ("up", "--seconds", "-1"),
        ("up", "surplus"),
        ("break",),
        ("nothing",),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], root: Path) -> None:
    code, output = run(*words)
    assert code == 2
    assert "Error" in output
    assert not root.exists()


@pytest.mark.e2e
def test_up_break_down(root: Path) -> None:
    code, output = run("up", "--ssh", "builtin", "--prisma", "7")
    assert code == 0
    assert "Prisma 7.3.0, one query per file; SSH: builtin; incident: healthy" in output
    assert run("break", "pending") == (0, "breaking it: pending\n")
    assert run("down") == (0, f"down: {root} is gone\n")
    assert not root.exists()
