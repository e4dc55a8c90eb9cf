"""`ops`: every wrong line is one error; help is help; JSON is one document."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
import pytest

from ops import __version__, cli
from ops.actions.catalogue import ACTIONS
from ops.errors import ExitCode, Refused
from ops.plan import Plan, plan_recover
from ops.proof.remedy import Kind, Remedy
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
from tests.doors import GOOD, ROOT, Doors, Listener
from tests.unit.factories import HEART, make_facts, proved, row, rungs_of, unproved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_mock import MockerFixture

RUNGS = rungs_of("SELECT 1; SELECT 2;")
DOCUMENT = json.loads(
    (ROOT / "docs" / "json.md").read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
)


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def doors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    listener: Listener,
) -> Doors:
    made = Doors(tmp_path, monkeypatch, capsys)
    made.inventory.write_text(GOOD.replace("2222", str(listener.port)), encoding="utf-8")
    return made


WRONG = (
    ("frobnicate", "No such command 'frobnicate'", "ops --help"),
    ("recover", "Missing argument 'ENVIRONMENT'", "ops recover --help"),
    ("recover prod now", "unexpected extra argument", "ops recover --help"),
    ("recover prod --force", "No such option: --force", "ops recover --help"),
    ("recover prod -y", "No such option", "ops recover --help"),
    ("recover prod --yes=1", "does not take a value", "ops recover --help"),
    ("recover prod --because", "requires an argument", "ops {} --help"),
    ("recover prod --dry_run", "No such option: --dry_run", "ops recover --help"),
    ("recover prod staging", "unexpected extra argument", "ops recover --help"),
    ("recover prd", "environments.prd: there is no such environment", "did you mean `prod`?"),
    ("recover PROD", "environments.PROD: there is no such environment", "there: prod"),
    ("recover ''", "environments.: there is no such environment", "there: prod"),
    ("recover a/../b", "environments.a/../b: there is no such environment", "there: prod"),
    ("--yes recover prod", "No such option: --yes", "ops --help"),
    ("prod recover", "No such command 'prod'", "the action comes first here: ops recover prod"),
    ("prod status --json", "No such command 'prod'", "ops status prod"),
    ("status prod --yes", "No such option: --yes", "ops status --help"),
    ("status prod --json=yes", "does not take a value", "ops status --help"),
    ("status prod --inventory", "requires an argument", "ops {} --help"),
    ("status prod --inventory /nowhere/i.yaml", "/nowhere/i.yaml: cannot be read", "OPS_INV"),
    ("status -H web1 prod", "No such option: -H", "ops status --help"),
    ("resolve prod 2026_x", "unexpected extra argument", "ops resolve --help"),
    ("resolve prod --rolled-back", "requires an argument", "ops {} --help"),
    ("resolve prod --applied m --because", "requires an argument", "ops {} --help"),
    ("diagnose", "Missing argument 'ENVIRONMENT'", "ops diagnose --help"),
    ("diagnose prod --yes", "No such option: --yes", "ops diagnose --help"),
    ("diagnose prod --dry-run", "No such option: --dry-run", "ops diagnose --help"),
    ("unlock prod --dry-run", "No such option: --dry-run", "ops unlock --help"),
    ("attach prod 20260101T000000Z", "unexpected extra argument", "ops attach --help"),
    ("inventory chek", "No such command 'chek'", "ops inventory --help"),
    ("inventory check a b", "unexpected extra argument", "ops inventory check --help"),
    ("inventory check --all", "No such option: --all", "ops inventory check --help"),
    ("inventory check missing.yaml", "missing.yaml: cannot be read", "OPS_INVENTORY"),
    ("sandbox frob", "No such command 'frob'", "ops sandbox --help"),
    ("sandbox up --prisma 9", "Invalid value for '--prisma'", "ops sandbox up --help"),
    ("sandbox break", "Missing argument", "ops sandbox break --help"),
)


@pytest.mark.parametrize(("line", "problem", "hint"), WRONG, ids=[line for line, _, _ in WRONG])
def test_a_wrong_line_is_one_error_and_nothing_is_done(
    doors: Doors, listener: Listener, line: str, problem: str, hint: str
) -> None:
    ended = doors.ops(*line.replace("''", "").split(" "))
    if "--json" in line.split():
        assert json.loads(ended.stdout)["exit_code"] == 2
        ended = type(ended)(ended.code, "", ended.stderr)
    ended.check_is_one_error()
    assert problem in ended.errors[0]
    assert hint.format(line.split(" ", maxsplit=1)[0]) in ended.errors[1]
    assert listener.connections == 0
    assert sorted(file.name for file in doors.home.iterdir()) == ["fabfile.py", "inventory.yaml"]


def test_the_table_is_long_enough() -> None:
    assert len(WRONG) >= 30


@pytest.mark.parametrize("line", ["", "inventory", "sandbox"])
def test_no_command_shows_the_help_and_is_a_usage_error(doors: Doors, line: str) -> None:
    ended = doors.ops(*line.split())
    assert (ended.code, ended.stderr) == (2, "")
    assert ended.stdout.startswith(f"Usage: {' '.join(['ops', *line.split()])} ")


def test_version(doors: Doors) -> None:
    assert doors.ops("--version").stdout == f"prisma-ops {__version__}\n"


def test_interrupted_while_reading_the_line(doors: Doors, mocker: MockerFixture) -> None:
    mocker.patch.object(cli, "app", side_effect=KeyboardInterrupt)
    assert doors.ops("status", "prod").code == ExitCode.INTERRUPTED


# --- help ---


def test_the_help_lists_every_action_with_its_whole_summary_and_examples(doors: Doors) -> None:
    for words in (["--help"], ["-h"]):
        ended = doors.ops(*words)
        assert ended.code == 0
        text = " ".join(ended.stdout.split())
        for action in ACTIONS:
            assert f" {action.name} {action.summary}" in text
        assert "..." not in ended.stdout.partition("\n")[2], "no summary is cut"
        assert "\n    ops recover prod --dry-run\n" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_the_help_of_an_action_shows_options_and_examples(doors: Doors, action: Any) -> None:
    ended = doors.ops(action.name, "--help")
    assert ended.code == 0
    assert ended.stdout.startswith(f"Usage: ops {action.name} [OPTIONS] ")
    text = " ".join(ended.stdout.split())
    assert action.summary in text
    assert action.details in text
    for option in action.options:
        flag = "--" + option.name.replace("_", "-")
        value = "" if isinstance(option.default, bool) else " TEXT"
        assert f"{flag}{value} {option.help}" in text
    for example in action.examples:
        environment, name, *rest = example.split(" ")
        assert f"\n    ops {' '.join([name, environment, *rest])}\n" in ended.stdout
    own = [text.find(f"--{option.name.replace('_', '-')} ") for option in action.options]
    assert all(place < text.find("--inventory ") for place in own), "what is its own comes first"


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_takes_what_the_catalogue_says(action: Any) -> None:
    taken = list(inspect.signature(action.function()).parameters.values())[1:]
    assert [(one.name, one.default) for one in taken] == [
        (option.name, option.default) for option in action.options
    ]
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in taken)
    assert action.summary.endswith(".")
    assert all(example.split()[1] == action.name for example in action.examples)
    assert action.examples


@pytest.mark.parametrize(
    ("line", "options", "as_json"),
    [
        ("recover prod", {"yes": False, "dry_run": False, "rerun": False, "because": ""}, False),
        (
            "recover --rerun --because x --dry-run prod --json",
            {"yes": False, "dry_run": True, "rerun": True, "because": "x"},
            True,
        ),
        ("status prod", {}, False),
        ("resolve prod --applied m", {"rolled_back": "", "applied": "m", "because": ""}, False),
        (
            "resolve prod --rolled-back m --because x",
            {"rolled_back": "m", "applied": "", "because": "x"},
            False,
        ),
        ("diagnose prod --json", {}, True),
    ],
)
def test_a_right_line_calls_its_action(
    doors: Doors, mocker: MockerFixture, line: str, options: dict[str, Any], as_json: bool
) -> None:
    perform = mocker.patch.object(cli, "perform", return_value=ExitCode.BUSY)
    assert doors.ops(*line.split()).code == ExitCode.BUSY
    (action, inventory, environment, given), more = perform.call_args
    assert (action.name, inventory, environment) == (
        line.split(maxsplit=1)[0],
        None,
        "prod",
    )
    assert {key: value for key, value in given.items() if key in options} == options
    assert more == {"as_json": as_json}


# --- JSON ---


@pytest.mark.parametrize(
    ("line", "code", "names"),
    [
        ("status prd --json", 2, ("status", "prd")),
        ("status --json", 2, ("", "")),
        ("status prod --nope --json", 2, ("", "")),
        ("recover prod --rerun --json", 4, ("recover", "prod")),
        ("status prod --json --inventory /nowhere", 2, ("status", "prod")),
        ("inventory check /nowhere --json", 2, ("inventory check", "")),
    ],
)
def test_an_error_is_one_document_on_stdout(
    doors: Doors, listener: Listener, line: str, code: int, names: tuple[str, str]
) -> None:
    listener.close()
    ended = doors.ops(*line.split())
    document = json.loads(ended.stdout)
    jsonschema.validate(document, DOCUMENT)
    assert ended.code == document["exit_code"] == code
    assert (document["action"], document["environment"]) == names
    assert document["result"] == ExitCode(code).name.lower()
    assert f"error: {document['message']}" in ended.stderr
    assert f"hint: {document['hint']}" in ended.stderr


def test_a_checked_inventory_is_one_document_too(doors: Doors) -> None:
    ended = doors.ops("inventory", "check", "--json")
    document = json.loads(ended.stdout)
    jsonschema.validate(document, DOCUMENT)
    assert (ended.code, ended.stderr) == (0, "")
    assert document["environments"] == ["prod"]
    assert "hint" not in document


def test_the_documented_schema_knows_all_exit_codes() -> None:
    known = DOCUMENT["properties"]
    assert known["exit_code"]["enum"] == [int(code) for code in ExitCode]
    assert known["result"]["enum"] == [code.name.lower() for code in ExitCode]
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    for key in known:
        assert f"`{key}`" in text, key
    document = json.loads(Outcome(ExitCode.OK, "a\nb").to_json("status", "prod"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, DOCUMENT)
    document = json.loads(Outcome(Refused.exit_code, "no").to_json("status", "prod", "do"))
    jsonschema.validate(document, DOCUMENT)


FOUND: dict[str, Verdict] = {
    "nothing-applied": NothingApplied(HEART, (), ("why",), ("public.i",)),
    "fully-applied": FullyApplied(HEART, (), ("why",)),
    "partly-applied": PartlyApplied(HEART, (), ("why",), 1, RUNGS),
    "undecidable": Undecidable(HEART, (), ("why",), (0, 2), RUNGS),
    "conflicting": Conflicting(HEART, (), ("why",), ("table a",)),
    "undetermined": Undetermined(HEART, (), ("why",)),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_diagnosis_and_its_plan_are_as_documented(name: str) -> None:
    facts = make_facts(row())
    remedies = (
        Remedy("resume", HEART, RUNGS, 1, ("public.i",)),
        Remedy("rerun", "x"),
        Remedy("mark applied", "y"),
    )
    found = proved(*remedies, verdicts=(FOUND[name],))
    plan = plan_recover(facts, proved(remedies[0], verdicts=(FOUND[name],)))
    assert isinstance(plan, Plan)
    for data in (diagnosis_data(found), diagnosis_data(unproved("a")), plan_data(plan)):
        outcome = Outcome(ExitCode.REFUSED, "m", {**facts_data(facts), **data})
        document = json.loads(outcome.to_json("diagnose", "prod"))
        jsonschema.validate(document, DOCUMENT)
        assert set(data) <= set(DOCUMENT["properties"]), "what is there is documented"
        for verdict in document["verdicts"]:
            assert verdict["verdict"] == name
        for kind in {"verdicts", "remedies"} & set(data):
            for each in document[kind]:
                assert set(each) <= set(DOCUMENT["properties"][kind]["items"]["properties"])


def test_every_verdict_is_documented_with_what_belongs_to_it() -> None:
    schema = DOCUMENT["properties"]["verdicts"]["items"]
    assert set(schema["properties"]["verdict"]["enum"]) == set(FOUND)
    assert set(DOCUMENT["properties"]["remedies"]["items"]["properties"]["kind"]["enum"]) == set(
        get_args(Kind)
    )
    for verdict in map(verdict_data, FOUND.values()):
        jsonschema.validate([verdict], DOCUMENT["properties"]["verdicts"])
        for key in verdict:
            rest = {name: value for name, value in verdict.items() if name != key}
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate([rest], DOCUMENT["properties"]["verdicts"])


# --- processes ---


@pytest.mark.parametrize("line", ["frobnicate", "recover", "recover prd", "inventory check x"])
def test_wrong_lines_as_processes(doors: Doors, line: str) -> None:
    for program in ([Path(sys.executable).with_name("ops")], [sys.executable, "-m", "ops"]):
        ended = subprocess.run(
            [*program, *line.split()], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert re.fullmatch(r"error: .*\nhint: .*\n", ended.stderr)
        assert ended.stdout == ""


def test_help_does_not_load_what_only_actions_need() -> None:
    code = "import sys, ops.cli; sys.argv = ['ops', '--help']; sys.stdout = sys.stderr\n"
    code += "try: ops.cli.main()\nfinally: print(*sys.modules, file=sys.__stdout__, flush=True)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"paramiko", "fabric", "invoke", "msgspec", "yaml", "ops.host", "ops.inventory"}
    assert "ops.cli" in loaded
    assert not (heavy | {"ops.sandbox"}) & set(loaded)


def test_the_sandbox_is_there_when_it_is_called(doors: Doors) -> None:
    shown = doors.ops("sandbox", "--help").stdout
    assert {"up", "down", "break", "incidents"} <= set(shown.split())
    assert doors.ops("sandbox", "up", "--help").stdout.startswith("Usage: ops sandbox up [OPTIONS]")
