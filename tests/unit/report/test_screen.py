"""The screen: nothing that a terminal obeys, nothing secret, and stdout kept for programs."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import ExitCode, Refused
from ops.host.script import Script
from ops.plan import Plan, plan_recover
from ops.proof.remedy import Remedy
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    Undetermined,
    Verdict,
)
from ops.report.outcome import Outcome, diagnosis_data, facts_data, plan_data, verdict_data
from ops.report.screen import Screen
from ops.report.text import counted, visible
from ops.secrets import Redactor, Secret
from ops.steps.base import Step
from tests.unit.factories import (
    HEART,
    INIT,
    NOW,
    PASSWORD,
    make_facts,
    proved,
    row,
    rungs_of,
    unproved,
)

RUNGS = rungs_of("ALTER TABLE a ADD b int;\n\nUPDATE a SET b = 1;\nSELECT 3")
PART = PartlyApplied(HEART, (row(),), ("as on the copy",), 1, RUNGS)
STEP = Step("deploy", "run \x1b[2J it", ("prisma migrate deploy", "second"), Script("true"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain größe 日本 🎉", "plain größe 日本 🎉"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("over\rwritten\b\b", r"over\rwritten\x08\x08"),
        ("two\nlines", r"two\nlines"),
        ("\x9b31m \x85", r"\x9b31m \x85"),
        ("\u202egpj.exe \u2066x\u2069 \u200f \u2028", r"\u202egpj.exe \u2066x\u2069 \u200f \u2028"),
        ("nul\0 del\x7f", r"nul\x00 del\x7f"),
        ("lone \udcff", r"lone \udcff"),
        ("[bold]markup[/bold] :tada:", "[bold]markup[/bold] :tada:"),
    ],
)
def test_a_line_shows_what_a_terminal_would_obey(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert visible(text) == shown
    Screen("prod", Redactor()).line(text)
    assert capsys.readouterr().out == f"{shown}\n"
    assert visible("a\tb") == "a\tb"


@given(st.text(st.characters(codec=None), max_size=30))
def test_whatever_the_text_it_stays_one_line_that_can_be_written(text: str) -> None:
    shown = visible(text)
    assert not [char for char in shown if ord(char) < 32 and char != "\t"]
    assert "\x1b" not in shown
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


def test_secrets_do_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen("prod", Redactor([Secret(PASSWORD)]))
    screen.lines([f"a {PASSWORD}", "b"], "red")
    screen.notice(f"postgres://u:{PASSWORD}@h/d")
    out = capsys.readouterr().out
    assert PASSWORD not in out
    assert out.count("***") == 2


def test_steps_are_announced_with_their_commands(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen("prod", Redactor())
    screen.step_started(2, STEP)
    screen.step_ended(2, STEP, 1.26)
    assert capsys.readouterr().out.splitlines() == [
        r"[2] run \x1b[2J it",
        "    $ prisma migrate deploy",
        "    $ second",
        "[2] deploy done in 1.3 s",
    ]


@pytest.mark.parametrize("for_program", [False, True])
def test_for_a_program_stdout_stays_empty(
    for_program: bool, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    screen = Screen("prod", Redactor(), for_program=for_program)
    screen.line("ours")
    log = io.BytesIO()
    output = screen.output(log)
    output.feed("ö\nlast".encode())
    output.finish()
    captured = capfdbinary.readouterr()
    empty, full = captured.out, captured.err
    if not for_program:
        empty, full = full, empty
    assert empty == b""
    assert full == "ours\nprod | ö\nprod | last\n".encode()
    assert log.getvalue() == "ö\nlast".encode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stdin = io.StringIO()
    monkeypatch.setattr("sys.stdin", stdin)
    return stdin


@pytest.mark.parametrize(
    ("typed", "is_terminal", "said"),
    [
        ("prod\n", True, ""),
        ("  prod  \n", True, ""),
        ("yes\n", True, "not confirmed, nothing was changed"),
        ("Prod\n", True, "not confirmed, nothing was changed"),
        ("", True, "not confirmed, nothing was changed"),
        ("prod\n", False, "not confirmed: there is no terminal to ask on"),
    ],
)
def test_only_the_environments_name_confirms(
    typed: str, is_terminal: bool, said: str, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.write(typed)
    terminal.seek(0)
    monkeypatch.setattr(terminal, "isatty", lambda: is_terminal)
    screen = Screen("prod", Redactor())
    if not said:
        screen.confirm("prod")
        return
    with pytest.raises(Refused) as caught:
        screen.confirm("prod")
    assert caught.value.message == said


@pytest.mark.parametrize(("number", "shown"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_a_count_agrees_with_its_noun(number: int, shown: str) -> None:
    assert counted(number, "file") == shown


def test_the_json_says_what_happened_without_secrets() -> None:
    facts = make_facts(row(), row(id="second"), system_identifier="", installed=None)
    decision = plan_recover(facts, proved(Remedy("resume", HEART, RUNGS, 1), verdicts=(PART,)))
    assert isinstance(decision, Plan)
    data = {**facts_data(facts), **plan_data(decision), "at": NOW}
    text = Outcome(ExitCode.REFUSED, "m\x1b[2J", data).to_json("recover", "prod", "do this")
    assert "\x1b" not in text
    assert PASSWORD not in text
    document = json.loads(text)
    assert document["version"] == 1
    assert (document["exit_code"], document["result"]) == (3, "refused")
    assert (document["action"], document["environment"]) == ("recover", "prod")
    assert document["hint"] == "do this"
    assert document["ledger"] == {
        "exists": True,
        "applied": [INIT],
        "failed": [HEART],
        "pending": [],
    }
    assert document["database"]["system_identifier"] is None
    assert document["prisma"] is None
    assert [step["step"] for step in document["plan"]] == [
        "backup",
        "install",
        "resume",
        "resolve-applied",
    ]
    assert [each["verdict"] for each in document["verdicts"]] == ["partly-applied"]
    assert document["proof"] == list(proved().proof)
    assert document["at"].startswith("2024-06-01")
    assert "hint" not in json.loads(Outcome(ExitCode.OK, "m").to_json("status", "prod"))


SEEN = ("as on the copy",)


@pytest.mark.parametrize(
    ("verdict", "data"),
    [
        (NothingApplied(HEART, (), SEEN), {"verdict": "nothing-applied"}),
        (FullyApplied(HEART, (), SEEN), {"verdict": "fully-applied"}),
        (PART, {"verdict": "partly-applied", "done": 1, "statements": 3, "line": 3}),
        (
            Undecidable(HEART, (), SEEN, (0, 1), RUNGS),
            {"verdict": "undecidable", "candidates": [0, 1], "statements": 3},
        ),
        (
            Conflicting(HEART, (), SEEN, ("table a",)),
            {"verdict": "conflicting", "differences": ["table a"]},
        ),
        (Undetermined(HEART, (), SEEN), {"verdict": "undetermined"}),
    ],
)
def test_a_verdict_for_programs(verdict: Verdict, data: dict[str, object]) -> None:
    found = verdict_data(verdict)
    assert found == {"migration": HEART, "evidence": ["as on the copy"], **data}
    assert json.loads(json.dumps(found)) == found


def test_a_diagnosis_for_programs() -> None:
    remedies = (
        Remedy("resume", HEART, RUNGS, 1),
        Remedy("rerun", INIT, drop=("public.i",)),
        Remedy("mark applied", "x"),
    )
    found = diagnosis_data(proved(*remedies, verdicts=(PART,), notes=("drift",)))
    assert found["verdicts"] == [verdict_data(PART)]
    assert found["remedies"] == [
        {"migration": HEART, "kind": "resume", "from_statement": 2, "drop_invalid": []},
        {"migration": INIT, "kind": "rerun", "from_statement": None, "drop_invalid": ["public.i"]},
        {"migration": "x", "kind": "mark applied", "from_statement": None, "drop_invalid": []},
    ]
    assert (found["proof"], found["unproved"]) == (list(proved().proof), [])
    assert found["notes"] == ["drift"]
    assert diagnosis_data(unproved("a", "b"))["unproved"] == ["a", "b"]
    assert json.loads(json.dumps(found)) == found
