"""What both doors do with every way an action can end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from ops import errors
from ops.door import perform, say_error
from ops.errors import ExitCode, OpsError, Refused
from ops.report.outcome import Outcome
from ops.secrets import MASK, Redactor, Secret
from tests.doors import GOOD, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CANARY = "c@n/a:r%y'\"$\\ x"
DOCUMENT = json.loads(
    (ROOT / "docs" / "json.md").read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
)


@dataclass(frozen=True)
class Fake:
    """An action that does what the test says."""

    body: Callable[..., Outcome]
    name: str = "status"

    def function(self) -> Callable[..., Outcome]:
        """Return it."""
        return self.body


@dataclass(frozen=True)
class FakeTarget:
    """A target of which only the gate is there."""

    gate: Redactor


@pytest.fixture(autouse=True)
def reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every environment reached at once; its password is the canary."""

    @contextlib.contextmanager
    def reach(
        inventory: Any, name: str, gate: Redactor, *, for_program: bool
    ) -> Iterator[FakeTarget]:
        inventory.environment(name)
        gate.learn(Secret(CANARY))
        yield FakeTarget(gate)

    monkeypatch.setattr("ops.actions.target.reach", reach)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    file = tmp_path / "inventory.yaml"
    file.write_text(GOOD, encoding="utf-8")
    return file


def ending_with(error: BaseException | Outcome) -> Any:
    def body(_: object, **options: object) -> Outcome:
        if isinstance(error, BaseException):
            raise error
        return error

    return Fake(body)


ENDS: list[tuple[BaseException | Outcome, ExitCode]] = [
    (Outcome(ExitCode.OK, "fine"), ExitCode.OK),
    (Outcome(ExitCode.REFUSED, "not healthy"), ExitCode.REFUSED),
    (errors.UsageError("u"), ExitCode.USAGE),
    (errors.InventoryError("i"), ExitCode.USAGE),
    (errors.Refused("r"), ExitCode.REFUSED),
    (errors.Unreachable("u"), ExitCode.UNREACHABLE),
    (errors.HostKeyRefused("h"), ExitCode.UNREACHABLE),
    (errors.ConnectionLost("c"), ExitCode.UNREACHABLE),
    (errors.Busy("b"), ExitCode.BUSY),
    (errors.StepFailed("s"), ExitCode.STEP_FAILED),
    (errors.VerificationFailed("v"), ExitCode.VERIFICATION_FAILED),
    (errors.Interrupted("i"), ExitCode.INTERRUPTED),
    (errors.Terminated("t"), ExitCode.TERMINATED),
    (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    (ZeroDivisionError("z"), ExitCode.BUG),
    (OSError(5, "input/output error"), ExitCode.BUG),
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("end", "code"), ENDS, ids=[f"{type(end).__name__}-{code}" for end, code in ENDS]
)
def test_every_end_has_its_code_one_line_and_one_document(
    inventory: Path,
    capsys: pytest.CaptureFixture[str],
    end: BaseException | Outcome,
    code: ExitCode,
    as_json: bool,
) -> None:
    assert perform(ending_with(end), inventory, "prod", {}, as_json=as_json) is code
    out, err = capsys.readouterr()
    if isinstance(end, BaseException):
        assert err.splitlines().count(f"error: {_line(err)}") == 1
        assert ("Traceback" in err) == (code is ExitCode.BUG)
    else:
        assert err == ""
    if not as_json:
        assert out == ""
        return
    document = json.loads(out)
    jsonschema.validate(document, DOCUMENT)
    assert (document["exit_code"], document["result"]) == (code, code.name.lower())
    assert (document["action"], document["environment"]) == ("status", "prod")
    if isinstance(end, BaseException):
        assert document["message"] == _line(err)


def _line(err: str) -> str:
    return next(line for line in err.splitlines() if line.startswith("error: "))[len("error: ") :]


def test_every_class_of_error_is_in_the_table() -> None:
    classes = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    known = {kind for kind in classes if issubclass(kind, OpsError)} - {OpsError}
    assert known == {type(end) for end, _ in ENDS if isinstance(end, OpsError)}
    assert {code for _, code in ENDS} == set(ExitCode)
    assert OpsError("x").exit_code is ExitCode.BUG


@pytest.mark.parametrize(
    "end",
    [
        Refused(f"login failed with {CANARY}", f"try {CANARY}"),
        ValueError(f"postgresql://app:{CANARY}@db"),
        Outcome(ExitCode.OK, CANARY, {"a": [CANARY, {CANARY: f"x{CANARY}"}]}),
    ],
    ids=["error", "bug", "outcome"],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_in_an_end_is_masked(
    inventory: Path, capsys: pytest.CaptureFixture[str], end: BaseException | Outcome, as_json: bool
) -> None:
    perform(ending_with(end), inventory, "prod", {}, as_json=as_json)
    shown = "".join(capsys.readouterr())
    assert "c@n/a" not in shown
    assert (MASK in shown) == (as_json or isinstance(end, BaseException))


def test_a_secret_that_looks_like_json_does_not_break_the_document(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(target: FakeTarget) -> Outcome:
        target.gate.learn(Secret('": 1,\n'))
        target.gate.learn(Secret('"action"'))
        return Outcome(ExitCode.OK, 'an "action"')

    perform(Fake(body), inventory, "prod", {}, as_json=True)  # type: ignore[arg-type]
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, DOCUMENT)
    assert document["message"] == f"an {MASK}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_action_and_the_handlers_come_back(
    inventory: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    def body(_: object) -> Outcome:
        os.kill(os.getpid(), number)
        return Outcome(ExitCode.OK, "went on")

    assert perform(Fake(body), inventory, "prod", {}) is ExitCode.TERMINATED  # type: ignore[arg-type]
    assert capsys.readouterr().err == f"error: ended by {number.name}\n"
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so(inventory: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        action = ending_with(Outcome(ExitCode.OK, "went on"))

        def body(target: object) -> Outcome:
            os.kill(os.getpid(), signal.SIGHUP)
            return action.body(target)  # type: ignore[no-any-return]

        assert perform(Fake(body), inventory, "prod", {}) is ExitCode.OK  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_unwritable_terminal_does_not_change_the_code(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(5, "input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    assert perform(ending_with(Refused("no")), inventory, "prod", {}) is ExitCode.REFUSED


def test_a_broken_pipe_is_an_interruption_without_a_document(
    inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr("ops.door._forget_stdout", lambda: forgotten.append(True))
    code = perform(ending_with(BrokenPipeError()), inventory, "prod", {}, as_json=True)
    assert code is ExitCode.INTERRUPTED
    out, err = capsys.readouterr()
    assert (out, forgotten) == ("", [True])
    assert "hint: a step that had begun goes on on the host: fab prod runs" in err


PROGRAM = """\
import sys
from ops.door import perform
from ops.errors import ExitCode
from ops.report.outcome import Outcome
import contextlib, ops.actions.target

@contextlib.contextmanager
def reach(*_, **__): yield None
ops.actions.target.reach = reach

class Action:
    name = "status"
    def function(self): return body

def body(target):
    for _ in range(int(sys.argv[2])):
        print("20240126184148_\\u5b66\\u6821 \\udcff", flush=True)
    return Outcome(ExitCode.OK, "\\u5b66")

from pathlib import Path
sys.exit(int(perform(Action(), Path(sys.argv[1]), "prod", {}, as_json=sys.argv[3] == "json")))
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_that_the_terminal_cannot_show_are_no_bug(inventory: Path, encoding: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, inventory, "1", "text"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    shown = "学校" if encoding == "utf-8" else "\\u5b66\\u6821"
    assert ended.stdout.decode() == f"20240126184148_{shown} \\udcff\n"


@pytest.mark.parametrize(
    ("lines", "form", "code", "says"),
    [
        ("100000", "text", ExitCode.INTERRUPTED, "error: interrupted: nobody reads the output any"),
        ("0", "json", ExitCode.OK, ""),
    ],
)
def test_output_that_nobody_reads_is_no_bug(
    inventory: Path, lines: str, form: str, code: ExitCode, says: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, inventory, lines, form],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert ended.returncode == code
    assert ended.stderr.startswith(says)
    assert ended.stderr.count("\n") == (2 if says else 0)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\u202egnp.exe \u2028", "\\u202egnp.exe \\u2028"),
        ("\udcff", "\\udcff"),
        ("naïve 学校 'q' \\n", "naïve 学校 'q' \\n"),
    ],
)
def test_an_error_is_one_line_whatever_it_quotes(given: str, shown: str) -> None:
    error = Refused(given, given)
    assert (error.message, error.hint, str(error)) == (shown, shown, shown)
    assert say_error(error) == f"error: {shown}\nhint: {shown}"
    assert say_error(Refused(given)) == f"error: {shown}"
