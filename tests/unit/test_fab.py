"""`fab`: a line is right as a whole or nothing of it is done; Fabric's traps are shut."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from invoke.exceptions import Exit

from ops import fab
from ops.actions.catalogue import ACTIONS
from ops.errors import ExitCode
from tests.doors import GOOD, Doors, Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

TWO = GOOD + "  staging: {hosts: [{host: b}], repo: /b, database_url: {env: A}, backups: /b}\n"


class Called(NamedTuple):
    """What reached the floor below the door."""

    action: str
    environment: str
    options: dict[str, Any]


@pytest.fixture
def doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doors:
    made = Doors(tmp_path, monkeypatch, capsys)
    made.inventory.write_text(TWO, encoding="utf-8")
    return made


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Called]:
    """Every call of an action, none of which is carried out."""
    found: list[Called] = []

    def perform(
        action: Any, inventory: Path, environment: str, options: dict[str, Any]
    ) -> ExitCode:
        found.append(Called(action.name, environment, options))
        return ExitCode.REFUSED if environment == "staging" else ExitCode.OK

    monkeypatch.setattr(fab, "perform", perform)
    return found


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


WRONG = (
    # words
    ("recover", "`recover` needs an environment", "fab prod recover"),
    ("recover prod", "`recover` needs an environment", "fab prod recover"),
    ("status recover", "`status` needs an environment", "fab prod status"),
    ("prod", "what shall be done with prod?", "fab prod status"),
    ("prod status prod", "what shall be done with prod?", "fab prod status"),
    ("prod staging recover", "two environments in one call: prod and staging", "a call for each"),
    ("prod status staging recover", "two environments in one call", "a call for each"),
    ("staging recover --yes prod recover", "two environments in one call", "a call for each"),
    ("prdo recover", "`prdo` is neither an environment nor an action", "did you mean `prod`?"),
    ("prod recovr", "`recovr` is neither", "did you mean `recover`?"),
    ("prod 'a b'", "is neither an environment nor an action", "fab --list"),
    ("prod recover now", "`now` is neither", "fab --list"),
    ("prod.recover", "`prod.recover` is neither", "did you mean `recover`?"),
    ("Prod status", "`Prod` is neither", "did you mean `prod`?"),
    # options
    ("prod recover --force", "there is no option --force", "fab --help ACTION"),
    ("prod recover -x", "there is no option -x", "fab --help ACTION"),
    ("prod recover --because x --rerun --rolled-back", "there is no option --rolled-back", "fab"),
    ("prod resolve --rolled-back", "--rolled-back needs a value", "fab --help ACTION"),
    ("prod recover --yes=no", "`no` is neither an environment nor an action", "fab --list"),
    ("prod recover --because", "--because needs a value", "fab --help ACTION"),
    ("prod status --yes", "there is no option --yes", "fab --help ACTION"),
    ("prod --yes recover", "there is no option --yes", "fab --help ACTION"),
    ("--yes prod recover", "there is no option --yes", "fab --help ACTION"),
    ("prod resolve --applied m --because", "--because needs a value", "fab --help ACTION"),
    ("prod diagnose --yes", "there is no option --yes", "fab --help ACTION"),
    ("diagnose", "`diagnose` needs an environment", "fab prod diagnose"),
    ("prod diagnos", "`diagnos` is neither", "did you mean `diagnose`?"),
    ("prod resolve --rolled_back x", "there is no option --rolled_back", "fab --help"),
    ("prod attach 20260101", "`20260101` is neither", "fab --list"),
    ("prod unlock --dry-run", "there is no option --dry-run", "fab --help ACTION"),
    # Fabric's own ways to a host
    ("-H web1 prod recover", "-H is not used here", "hosts are in inventory.yaml"),
    ("prod recover -H web1", "-H is not used here", "hosts are in inventory.yaml"),
    ("prod -H web1 recover", "-H is not used here", "hosts are in inventory.yaml"),
    ("--hosts=web1 --list", "-H is not used here", "hosts are in inventory.yaml"),
    ("-H web1", "-H is not used here", "hosts are in inventory.yaml"),
    ("prod status -- reboot", "commands of your own after --", "hosts are in inventory.yaml"),
    ("-i key prod recover", "-i is not used here", "hosts are in inventory.yaml"),
    ("-S config prod recover", "-S is not used here", "hosts are in inventory.yaml"),
    ("-t 5 prod recover", "-t is not used here", "hosts are in inventory.yaml"),
    ("prod recover -T 5", "-T is not used here", "hosts are in inventory.yaml"),
    ("prod recover --prompt-for-login-password", "--prompt-for-login-password is not", "hosts"),
    ("--prompt-for-passphrase prod recover", "--prompt-for-passphrase is not", "hosts"),
    ("--prompt-for-sudo-password prod recover", "--prompt-for-sudo-password is not", "hosts"),
    ("prod recover -t soon", "a flag of Fabric's has a wrong value", "fab --help shows the flags"),
)


@pytest.mark.parametrize(("line", "problem", "hint"), WRONG, ids=[line for line, _, _ in WRONG])
def test_a_wrong_line_is_one_error_and_nothing_of_it_is_done(
    doors: Doors, calls: list[Called], listener: Listener, line: str, problem: str, hint: str
) -> None:
    doors.inventory.write_text(TWO.replace("2222", str(listener.port)), encoding="utf-8")
    ended = doors.fab(*line.replace("'a b'", "a#b").replace("#", " ").split(" "))
    ended.check_is_one_error()
    assert problem in ended.errors[0]
    assert hint in ended.errors[1]
    assert calls == []
    assert listener.connections == 0


def test_the_table_is_long_enough() -> None:
    assert len(WRONG) >= 30


RIGHT: tuple[tuple[str, list[tuple[str, str, dict[str, Any]]]], ...] = (
    ("prod status", [("status", "prod", {})]),
    ("prod recover --yes", [("recover", "prod", {"yes": True})]),
    ("prod recover --because=x --rerun", [("recover", "prod", {"rerun": True, "because": "x"})]),
    ("prod resolve --rolled-back m", [("resolve", "prod", {"rolled_back": "m"})]),
    (
        "prod resolve --applied m --because x",
        [("resolve", "prod", {"applied": "m", "because": "x"})],
    ),
    ("prod diagnose recover", [("diagnose", "prod", {}), ("recover", "prod", {})]),
    ("prod resolve --rolled-back recover", [("resolve", "prod", {"rolled_back": "recover"})]),
    ("prod backup recover --yes", [("backup", "prod", {}), ("recover", "prod", {"yes": True})]),
    ("prod status status", [("status", "prod", {}), ("status", "prod", {})]),
    ("prod status prod recover", [("status", "prod", {}), ("recover", "prod", {})]),
    ("prod recover --dry-run", [("recover", "prod", {"dry_run": True})]),
)


@pytest.mark.parametrize(("line", "expected"), RIGHT, ids=[line for line, _ in RIGHT])
def test_a_right_line_is_done_in_its_order(
    doors: Doors, calls: list[Called], line: str, expected: list[tuple[str, str, dict[str, Any]]]
) -> None:
    ended = doors.fab(*line.split())
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    given = [
        (name, environment, {key: value for key, value in options.items() if value})
        for name, environment, options in calls
    ]
    assert given == expected


def test_an_exit_code_other_than_0_is_ours_and_ends_the_line(
    doors: Doors, calls: list[Called]
) -> None:
    ended = doors.fab("staging", "status", "recover")
    assert ended.code == ExitCode.REFUSED
    assert [call.action for call in calls] == ["status"]


@pytest.mark.parametrize("line", ["-R prod {}", "prod {} -R", "--dry prod {}", "prod -R {}"])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_a_dry_line_never_reaches_what_changes_something(
    doors: Doors, calls: list[Called], line: str, action: Any
) -> None:
    ended = doors.fab(*line.format(action.name).split())
    has_dry_run = any(option.name == "dry_run" for option in action.options)
    if has_dry_run:
        assert [call.options["dry_run"] for call in calls] == [True]
    elif action.reads_only:
        assert len(calls) == 1
    else:
        ended.check_is_one_error()
        assert "-R must not change anything" in ended.errors[0]
        assert calls == []


def test_the_variable_for_a_dry_run_counts_too(
    doors: Doors, calls: list[Called], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABRIC_RUN_DRY", "1")
    assert doors.fab("prod", "recover").code == 0
    assert calls[0].options["dry_run"] is True


@pytest.mark.parametrize("name", ["FABRIC_OPS_ENVIRONMENT", "INVOKE_OPS_ENVIRONMENT"])
def test_no_variable_chooses_an_environment(
    doors: Doors, calls: list[Called], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "staging")
    doors.fab("recover").check_is_one_error()
    assert calls == []
    assert doors.fab("prod", "status").code == 0
    assert [call.environment for call in calls] == ["prod"]


def test_no_configuration_file_chooses_an_environment(doors: Doors, calls: list[Called]) -> None:
    (doors.home / "fabric.yaml").write_text("ops_environment: staging\n", encoding="utf-8")
    doors.fab("recover").check_is_one_error()
    doors.fab("prod", "recover").check_is_one_error()
    assert calls == []


@pytest.mark.parametrize(
    ("name", "typed"), [("prod_eu", "prod-eu"), ("a__b", "a--b"), ("p_", "p_"), ("p_-", "p--")]
)
def test_underscores_are_typed_as_fabric_lists_them_and_arrive_as_written(
    doors: Doors, calls: list[Called], name: str, typed: str
) -> None:
    doors.inventory.write_text(GOOD.replace("prod:", f"{name}:"), encoding="utf-8")
    assert f"  {typed} " in doors.fab("--list").stdout
    assert doors.fab(typed, "status").code == 0
    assert [call.environment for call in calls] == [name]


def test_only_a_name_is_put_into_the_configuration(doors: Doors, calls: list[Called]) -> None:
    tasks = fab.namespace(doors.inventory)

    class Config(dict[str, Any]):
        class run:  # noqa: N801 - as Invoke has it
            dry = False

    class Context:
        config = Config()

    tasks["prod"].body(Context)
    assert Context.config == {"ops_environment": "prod"}
    tasks["prod"].body(Context)
    with pytest.raises(Exit, match="two environments in one call: prod and staging") as raised:
        tasks["staging"].body(Context)
    assert raised.value.code == ExitCode.USAGE
    Context.config.clear()
    with pytest.raises(Exit, match="`recover` needs an environment before it"):
        tasks["recover"].body(Context)
    assert calls == []


# --- what is listed ---


def test_list_shows_all_environments_and_actions_with_their_words(doors: Doors) -> None:
    listed = " ".join(doors.fab("--list").stdout.split())
    for action in ACTIONS:
        assert f"{action.name} {action.summary}" in listed
    assert "prod Work on the environment prod." in listed
    assert "staging Work on the environment staging." in listed


def test_list_as_json_and_completion_know_the_environments(doors: Doors) -> None:
    document = json.loads(doors.fab("--list", "--list-format=json").stdout)
    assert {task["name"] for task in document["tasks"]} >= {"prod", "staging", "recover"}
    assert "staging" in doors.fab("--complete", "--", "fab st").stdout.split()
    options = doors.fab("--complete", "--", "fab prod recover -").stdout.split()
    assert {"--yes", "--dry-run", "--rerun", "--because"} <= set(options)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_help_shows_every_option_and_example(doors: Doors, action: Any) -> None:
    shown = doors.fab("--help", action.name)
    assert shown.code == 0
    words = " ".join(shown.stdout.split())
    assert action.summary in words
    for option in action.options:
        flag = "--" + option.name.replace("_", "-")
        assert re.search(rf"{flag}(=STRING)? +{re.escape(option.help)}", words), flag
    for example in action.examples:
        assert f"\n    fab {example}\n" in shown.stdout


# --- the cache of names ---


def test_the_cache_never_holds_what_is_not_so(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = doors.home / "cache" / "prisma-ops" / "names"
    assert doors.fab("--list").code == 0
    (file,) = cache.iterdir()
    kept = file.read_text(encoding="utf-8")
    monkeypatch.setattr("ops.inventory.load", None)
    assert "staging" in doors.fab("--list").stdout, "the second time nothing is checked"
    monkeypatch.undo()
    for damaged in ("", kept.split("\n")[0], "x\nprod"):
        file.write_text(damaged, encoding="utf-8")
        assert "staging" in fab.namespace(doors.inventory).task_names
    doors.inventory.write_text(GOOD, encoding="utf-8")
    assert "staging" not in fab.namespace(doors.inventory).task_names
    assert list(cache.iterdir()) == [file], "one file for each inventory, and no parts"
    doors.inventory.write_text("environments: {}", encoding="utf-8")
    with pytest.raises(Exit):
        fab.namespace(doors.inventory)


def test_no_cache_is_no_reason_to_stop(doors: Doors) -> None:
    (doors.home / "cache").write_text("not a directory", encoding="utf-8")
    assert doors.fab("--list").code == 0


def test_the_variable_names_another_inventory(
    doors: Doors, calls: list[Called], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = doors.home / "other.yaml"
    other.write_text(GOOD.replace("prod:", "far:"), encoding="utf-8")
    monkeypatch.setenv("OPS_INVENTORY", str(other))
    assert doors.fab("far", "status").code == 0
    doors.fab("prod", "status").check_is_one_error()


# --- real processes ---


def _fab(home: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("fab"), *words],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **more},
    )


def test_listing_with_a_warm_cache_loads_nothing_heavy(doors: Doors) -> None:
    fab.namespace(doors.inventory)
    code = (
        "import sys, pathlib; from fabric.main import program; before = set(sys.modules)\n"
        "import ops.fab; ops.fab.namespace(pathlib.Path('inventory.yaml'))\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=doors.home
    ).stdout.split()
    assert "ops.fab" in loaded
    heavy = {"msgspec", "yaml", "rich", "typer", "click", "humanize", "tenacity", "paramiko"}
    assert not heavy & {name.partition(".")[0] for name in loaded}
    ours = {name for name in loaded if name.partition(".")[0] == "ops"}
    assert ours == {
        "ops", "ops.fab", "ops.actions", "ops.actions.catalogue", "ops.door", "ops.errors",
        "ops.secrets",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line", ["prdo recover", "prod staging recover", "-H web1 prod recover", "-R prod unlock"]
)
def test_wrong_lines_as_processes(doors: Doors, line: str) -> None:
    ended = _fab(doors.home, *line.split())
    assert ended.returncode == 2
    assert re.fullmatch(r"error: .*\nhint: .*\n", ended.stderr)
    assert ended.stdout == ""


def test_a_broken_inventory_as_a_process(doors: Doors) -> None:
    doors.inventory.write_text(GOOD.replace("2222", "022"), encoding="utf-8")
    ended = _fab(doors.home, "--list")
    assert ended.returncode == 2
    assert re.fullmatch(r"error: .*port: expected int \| null, got str\nhint: .*\n", ended.stderr)


def test_a_flag_of_fabrics_own_that_eats_the_environment_touches_nothing(
    doors: Doors, listener: Listener
) -> None:
    # `-D` takes a number: Fabric itself fails, before it has read our fabfile.
    doors.inventory.write_text(GOOD.replace("2222", str(listener.port)), encoding="utf-8")
    assert _fab(doors.home, "-D", "prod", "recover").returncode == 1
    assert listener.connections == 0


@pytest.mark.parametrize("line", ["prod status", "prod recover --yes"])
@pytest.mark.parametrize(
    ("number", "code", "says"),
    [(2, 130, "interrupted"), (15, 143, "ended by SIGTERM"), (1, 143, "ended by SIGHUP")],
)
def test_a_signal_ends_a_call_with_one_line_and_its_code(
    doors: Doors, listener: Listener, line: str, number: int, code: int, says: str
) -> None:
    doors.inventory.write_text(GOOD.replace("2222", str(listener.port)), encoding="utf-8")
    (doors.home / ".ssh").mkdir()
    (doors.home / ".ssh" / "known_hosts").touch()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("fab"), *line.split()],
        cwd=doors.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listener.knocked.wait(30)
    time.sleep(0.2)
    began = time.monotonic()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == code
    assert stderr.count("\n") <= 2
    assert stderr.startswith(f"error: {says}")


def test_a_call_under_nohup_goes_on_when_the_terminal_is_gone(
    doors: Doors, listener: Listener
) -> None:
    doors.inventory.write_text(GOOD.replace("2222", str(listener.port)), encoding="utf-8")
    with subprocess.Popen(
        ["nohup", Path(sys.executable).with_name("fab"), "prod", "status"],
        cwd=doors.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert listener.knocked.wait(30)
        process.send_signal(1)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(15)
        assert process.wait(30) == ExitCode.TERMINATED
