"""Carrying out a plan: what is announced, judged, recorded, and left behind when it ends early."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops.errors import (
    Busy,
    ConnectionLost,
    Interrupted,
    OpsError,
    Refused,
    StepFailed,
    Terminated,
    UsageError,
)
from ops.host import job as jobs
from ops.host.job import Job, attach_job
from ops.host.local import LocalHost
from ops.host.output import Output
from ops.host.script import Script
from ops.inventory import Environment, Host, UrlSource
from ops.run import lock as locks
from ops.run.execute import Run
from ops.run.history import read_history
from ops.secrets import Redactor, Secret
from ops.steps.base import Step
from tests.proxy import CutProxy
from tests.remote import Remote, remote, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Host as AnyHost

SECRET = "c4nary pass'word"


class Watcher:
    """Sees what people would see."""

    def __init__(self) -> None:
        self.gate = Redactor([Secret(SECRET)])
        self.screen = io.BytesIO()
        self.events: list[str] = []
        self.on_notice: Any = None

    def step_started(self, number: int, step: Step) -> None:
        self.events.append(f"started {number} {step.name}")

    def step_ended(self, number: int, step: Step, seconds: float) -> None:
        assert 0 < seconds < 30
        self.events.append(f"ended {number} {step.name}")

    def output(self, journal_log: Any) -> Output:
        return Output(self.gate, "prod | ", self.screen, journal_log)

    def notice(self, text: str) -> None:
        self.events.append(text)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("box") / "r") as one:
        yield one


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "here"))
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    return Environment(
        hosts=[Host(host="h")],
        repo=str(tmp_path / "repo"),
        database_url=UrlSource(env="X"),
        backups="/b",
    )


def begin(environment: Environment, host: AnyHost | None = None) -> tuple[Run, Watcher]:
    watcher = Watcher()
    run = Run.begin(
        host or LocalHost(),
        environment,
        "prod",
        "recover",
        watcher.gate,
        watcher,
        datetime.now(UTC),
    )
    return run, watcher


def step(body: str, name: str = "work", **more: Any) -> Step:
    return Step(name, f"do {name}", (f"$ {name} {SECRET}",), Script(body), **more)


def here(run: Run) -> list[dict[str, Any]]:
    text = (run.journal.directory / "journal.jsonl").read_text()
    return [json.loads(each) for each in text.splitlines()]


def there(run: Run) -> list[dict[str, Any]]:
    return [
        json.loads(each)
        for each in (Path(run.directory) / "journal.jsonl").read_text().splitlines()
    ]


def events(records: list[dict[str, Any]]) -> list[str]:
    return [f"{each['event']} {each.get('step', '')}".strip() for each in records]


def test_steps_are_carried_out_in_order_and_recorded_on_both_sides(
    environment: Environment,
) -> None:
    run, watcher = begin(environment)
    rows = [{"id": "x", "logs": f"failed with {SECRET}", "pid": 12345}]
    with run:
        run.carry_out(
            [
                step("echo one; echo more\n", "first"),
                step(f'echo "two {SECRET}"\n', "second", success=("two",), writes_database=True),
            ],
            rows,
        )
    assert watcher.events == [
        "started 1 first",
        "ended 1 first",
        "started 2 second",
        "ended 2 second",
    ]
    assert watcher.screen.getvalue() == b"prod | one\nprod | more\nprod | two ***\n"
    assert [(result.name, result.log) for result in run.results] == [
        ("first", "one\nmore\n"),
        ("second", "two ***\n"),
    ]
    steps = ["step begins first", "step ended first", "step begins second", "step ended second"]
    for records in (here(run), there(run)):
        assert events(records) == ["began", *steps, "ended"]
        assert {each["run"] for each in records} == {run.id}
        assert all(each["at"] for each in records)
        assert "open_rows" not in records[1]
        assert records[3]["open_rows"] == [{"id": "x", "logs": "failed with ***", "pid": 12345}]
        assert records[3]["commands"] == ["$ second ***"]
        assert [records[2]["rc"], records[4]["rc"]] == [0, 0]
        assert records[0]["environment"] == "prod"
        assert records[-1]["result"] == "done"
    assert (run.journal.directory / "01-first.log").read_bytes() == b"one\nmore\n"
    whole = b"".join(file.read_bytes() for file in run.journal.directory.iterdir())
    assert SECRET.encode() not in whole
    past = read_history(LocalHost(), environment, "prod")
    assert not past.held
    assert (past.runs[0].result, len(past.runs[0].jobs)) == ("done", 2)


@pytest.mark.parametrize(
    ("body", "success", "kind", "said"),
    [
        (
            "echo a; echo; echo 'b c '; echo; exit 3\n",
            (),
            StepFailed,
            "work failed with exit code 3: b c",
        ),
        ("exit 3\n", (), StepFailed, "work failed with exit code 3: it printed nothing"),
        ("echo moved; exit 90\n", (), Refused, "work: moved"),
        ("echo nothing said\n", ("done", "ready"), StepFailed, "without saying 'done'"),
        ("kill -9 $$\n", (), StepFailed, "work was ended by signal 9: it printed nothing"),
        (f"echo '{SECRET.split(maxsplit=1)[0]}'; exit 1\n", (), StepFailed, "exit code 1"),
    ],
)
def test_a_step_is_judged(
    environment: Environment, body: str, success: tuple[str, ...], kind: type[OpsError], said: str
) -> None:
    run, watcher = begin(environment)
    with pytest.raises(kind, match=said) as error, run:
        run.carry_out([step(body, success=success), step("echo never\n", "next")], [])
    assert error.value.hint
    assert [each for each in watcher.events if "next" in each] == []
    for records in (here(run), there(run)):
        assert records[-1]["event"] == "ended"
        assert records[-1]["result"] == kind.__name__
        assert said in records[-1]["message"]
    assert not read_history(LocalHost(), environment, "prod").held


def test_any_of_the_texts_is_success(environment: Environment) -> None:
    run, _ = begin(environment)
    with run:
        run.carry_out([step("echo ready\n", success=("done", "ready"))], [])


def test_only_the_end_of_a_long_log_is_kept_in_memory(environment: Environment) -> None:
    run, _ = begin(environment)
    with run:
        run.carry_out([step("seq 1 400000\n", success=("400000",))], [])
    log = run.results[0].log
    assert log.endswith("\n400000\n")
    assert 200_000 < len(log) < 400_000
    assert (run.journal.directory / "01-work.log").stat().st_size == 2_688_895


def test_a_second_run_is_refused_and_that_is_on_record(environment: Environment) -> None:
    first, _ = begin(environment)
    second, _ = begin(environment)
    with first:
        with pytest.raises(Busy, match=first.id), second:
            raise AssertionError("it must not begin")
        assert events(here(second)) == ["began", "refused"]
        assert here(second)[1]["exit_code"] == 5


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (UsageError("x"), "UsageError"),
        (ValueError("x"), "bug"),
        (KeyboardInterrupt(), "Interrupted"),
        (Terminated("x"), "Terminated"),
    ],
)
def test_the_end_says_how(environment: Environment, error: BaseException, result: str) -> None:
    run, _ = begin(environment)
    with pytest.raises(type(error)), run:
        raise error
    for records in (here(run), there(run)):
        assert records[-1]["result"] == result
    assert not read_history(LocalHost(), environment, "prod").held


def test_a_disk_that_is_full_here_still_gives_the_lock_back(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = begin(environment)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StepFailed, match="space") as error, run:  # noqa: PT012 - a run is tested
        monkeypatch.setattr(os, "fsync", full)
        raise UsageError("the first error")
    assert error.value.__cause__ is not None
    assert isinstance(error.value.__cause__.__context__, UsageError)
    assert not read_history(LocalHost(), environment, "prod").held


# ------------------------------------------------------------------ interrupted, cut


@pytest.mark.parametrize(
    ("kind", "wanted"), [(KeyboardInterrupt, Interrupted), (Terminated, Terminated)]
)
def test_interrupted_in_a_step_the_step_goes_on_under_its_lock(
    environment: Environment, kind: type[BaseException], wanted: type[Interrupted]
) -> None:
    run, watcher = begin(environment)

    class Stops(Output):
        def feed(self, block: bytes) -> None:
            super().feed(block)
            raise kind("x")

    watcher.output = lambda log: Stops(watcher.gate, "p | ", watcher.screen, log)  # type: ignore[method-assign, assignment]
    began = time.monotonic()
    with pytest.raises(wanted, match="the step `work` goes on on local") as error, run:
        run.carry_out([step("echo there; sleep 2.5; echo end; exit 5\n")], [])
    assert time.monotonic() - began < 2.4, "it did not wait for the step"
    assert error.value.hint == f"follow it: fab prod attach --run {run.id}"
    assert events(here(run)) == ["began", "step begins work", "ended"]
    past = read_history(LocalHost(), environment, "prod")
    assert past.held
    assert past.card is not None
    assert past.card.run == run.id
    assert events(there(run)) == ["began", "step begins work"]
    follower = _Log()
    assert attach_job(LocalHost(), Job(f"{run.directory}/01-work", run=run.id), follower) == 5
    assert follower.log == b"there\nend\n"
    wait_until(lambda: not read_history(LocalHost(), environment, "prod").held)


class _Log:
    def __init__(self) -> None:
        self.log = b""

    def output(self, block: bytes) -> None:
        self.log += block

    def notice(self, text: str) -> None:
        raise AssertionError(text)


@pytest.mark.parametrize("how", ["cut", "reset", "freeze"])
def test_a_run_goes_on_over_a_broken_link(
    environment: Environment, box: Remote, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        run, watcher = begin(environment, host)

        def between() -> None:
            getattr(proxy, how)()
            threading.Timer(1.5, proxy.thaw).start()

        def ended(number: int, one: Step, seconds: float) -> None:
            # Between two steps, too.
            if number == 1:
                between()

        monkeypatch.setattr(watcher, "step_ended", ended)
        with run:
            threading.Timer(0.6, between).start()
            body = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done\n"
            run.carry_out([step(body, "one"), step("echo two\n", "two")], [])
        time.sleep(1.6)
    assert [result.log for result in run.results] == ["1\n2\n3\n4\n5\n6\n7\n8\n", "two\n"]
    assert (run.journal.directory / "01-one.log").read_bytes() == b"1\n2\n3\n4\n5\n6\n7\n8\n"
    assert any("connected again" in each for each in watcher.events)
    wanted = ["began", "step begins one", "step ended one", "step begins two", "step ended two"]
    assert events(there(run)) == [*wanted, "ended"]
    wait_until(lambda: not read_history(LocalHost(), environment, "prod").held)


def test_between_two_steps_others_may_have_been_there(
    environment: Environment, box: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LEASE_SECONDS", 1)
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        run, watcher = begin(environment, host)

        def ended(number: int, one: Step, seconds: float) -> None:
            proxy.cut()
            wait_until(lambda: not read_history(LocalHost(), environment, "prod").held)
            with begin(environment)[0]:
                pass

        monkeypatch.setattr(watcher, "step_ended", ended)
        with pytest.raises(Busy, match="others have been there"), run:
            run.carry_out([step("echo\n", "one"), step("echo\n", "two")], [])
    assert events(there(run)) == ["began", "step begins one", "step ended one"]


def test_a_host_that_stays_away_ends_the_run_and_hides_no_error(
    environment: Environment, box: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RECONNECT_SECONDS", 0.4)
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        run, _ = begin(environment, host)

        def away() -> None:
            proxy._target_port = 1
            proxy.cut()

        began = time.monotonic()
        with pytest.raises(ConnectionLost, match="the job may go on there"), run:  # noqa: PT012 - a run is what is tested
            threading.Timer(0.5, away).start()
            run.carry_out([step("sleep 1.5; echo end\n")], [])
        assert time.monotonic() - began < 6
    assert here(run)[-1]["result"] == "ConnectionLost"
    follower = _Log()
    assert attach_job(LocalHost(), Job(f"{run.directory}/01-work", run=run.id), follower) == 0
    assert follower.log == b"end\n"
    assert read_history(LocalHost(), environment, "prod", run.id).card is not None


def test_a_step_that_is_not_started_leaves_no_lock(environment: Environment) -> None:
    run, _ = begin(environment)
    with pytest.raises(StepFailed, match="did not start"), run:  # noqa: PT012 - a run is what is tested
        Path(run.directory, "journal.jsonl").unlink()
        Path(run.directory, "journal.jsonl").mkdir()
        run.carry_out([step("echo never\n")], [])
    assert not read_history(LocalHost(), environment, "prod").held


def test_a_run_leaves_no_thread(environment: Environment, box: Remote) -> None:
    before = set(threading.enumerate())
    with box.host() as host:
        run, _ = begin(environment, host)
        with run:
            run.carry_out([step("echo 1\n")], [])
    wait_until(lambda: not {each for each in threading.enumerate() if each.is_alive()} - before)


# ------------------------------------------------------------------ the whole tool


@pytest.mark.e2e
def test_a_link_cut_in_the_middle_of_a_deploy(tmp_path: Path) -> None:
    from ops.sandbox import Sandbox

    root = tmp_path / "s"
    with Sandbox.up(root, incident="p3018-type-exists", say=lambda _: None) as sandbox:
        config = root / "ssh_config"
        text = config.read_text()
        port = int(next(each.split()[1] for each in text.splitlines() if "Port " in each))
        known = root / "ssh" / "known_hosts"
        with CutProxy(port) as proxy:
            config.write_text(text.replace(f"Port {port}", f"Port {proxy.port}"))
            known.write_text(known.read_text().replace(f":{port} ", f":{proxy.port} "))
            inventory = sandbox.inventory.read_text().replace(
                f"port: {port}", f"port: {proxy.port}"
            )
            sandbox.inventory.write_text(inventory)
            with recovering(root, tmp_path) as tool:
                lines = until(tool, b"run the pending migrations")
                time.sleep(0.5)
                proxy.cut()
                rest = tool.stdout.read() if tool.stdout else b""
                assert tool.wait() == 0
            whole = b"".join(lines) + rest
            assert b"connecting again" in rest
            assert b"connected again" in rest
            assert whole.count(b"All migrations have been successfully applied.") == 1
            (run,) = (sandbox.repo / ".git/prisma-ops/runs").iterdir()
            (deploy,) = run.glob("*-deploy")
            shown = [
                each[len(b"sandbox | ") :]
                for each in rest.splitlines()
                if each.startswith(b"sandbox | ")
            ]
            assert b"\n".join(shown) + b"\n" == (deploy / "log").read_bytes()
            config.write_text(text)
            known.write_text(known.read_text().replace(f":{proxy.port} ", f":{port} "))


@pytest.mark.e2e
def test_ctrl_c_in_a_deploy_and_attach(tmp_path: Path) -> None:
    from ops.sandbox import Sandbox

    root = tmp_path / "s"
    with Sandbox.up(root, incident="p3018-type-exists", say=lambda _: None):
        with recovering(root, tmp_path) as tool:
            until(tool, b"run the pending migrations")
            time.sleep(0.5)
            tool.send_signal(signal.SIGINT)
            rest = tool.stdout.read() if tool.stdout else b""
            assert tool.wait() == 130
        assert b"interrupted; the step `deploy` goes on on" in rest
        assert b"Traceback" not in rest
        run = rest.split(b"attach --run ")[1].split()[0].decode()
        done = subprocess.run(
            [sys.executable, "-m", "ops", "attach", "sandbox", "--run", run],
            env=settings(root, tmp_path),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done
        assert b"All migrations have been successfully applied." in done.stdout


def settings(root: Path, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "OPS_INVENTORY": str(root / "inventory.yaml"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONUNBUFFERED": "1",
    }


def recovering(root: Path, tmp_path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops", "recover", "sandbox", "--yes"],
        env=settings(root, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[3],
    )


def until(tool: subprocess.Popen[bytes], text: bytes) -> list[bytes]:
    assert tool.stdout is not None
    lines: list[bytes] = []
    for each in tool.stdout:
        lines.append(each)
        if text in each and each.startswith(b"["):
            return lines
    raise AssertionError(b"".join(lines))


def test_the_lease_is_as_long_as_a_connection_is_tried_again() -> None:
    assert locks.LEASE_SECONDS >= jobs.RECONNECT_SECONDS
