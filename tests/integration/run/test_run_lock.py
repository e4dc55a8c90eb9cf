"""One run at a time, whatever becomes of the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ops.errors import Busy, ConnectionLost, HostKeyRefused, StepFailed, Unreachable
from ops.host.job import Job, run_job, start_script
from ops.host.local import LocalHost
from ops.host.script import Script
from ops.inventory import Environment, Host, UrlSource
from ops.run import lock as locks
from ops.run.history import History, parse_history, read_history
from ops.run.lock import Card, Keeper, keeper_script
from tests.proxy import CutProxy
from tests.remote import Remote, remote, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Host as AnyHost

PROJECT: Final = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("box") / "r") as one:
        yield one


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PING_SECONDS", 1)
    monkeypatch.setattr(locks, "LEASE_SECONDS", 4)


@dataclass
class Place:
    """A checkout on a host, and runs that want it."""

    repo: Path
    environment: Environment
    host: AnyHost
    notices: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.repo / ".git" / "prisma-ops"

    def keeper(self, run: str, host: AnyHost | None = None, name: str = "prod") -> Keeper:
        host = host or self.host
        return Keeper(host, self.environment, name, run, "recover", self.notices.append)

    def history(self, dismiss: str = "") -> History:
        return read_history(LocalHost(), self.environment, "prod", dismiss)

    def is_free(self) -> bool:
        lock = self.state / "prod.lock"
        return subprocess.run(["flock", "-n", "-x", lock, "true"], check=False).returncode == 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return place_in(tmp_path)


def place_in(directory: Path, state: str | None = None) -> Place:
    repo = directory / "repo of ours"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    environment = Environment(
        hosts=[Host(host="h")],
        repo=str(repo),
        database_url=UrlSource(env="X"),
        backups="/b",
        state=state,
    )
    return Place(repo, environment, LocalHost())


@pytest.mark.parametrize("runs", [2, 10])
def test_of_several_at_once_exactly_one_works_and_the_others_hear_who(
    place: Place, runs: int
) -> None:
    taken: list[str] = []
    busy: list[str] = []
    gate = threading.Barrier(runs)
    over = threading.Barrier(runs)

    def go(number: int) -> None:
        keeper = place.keeper(f"run{number}")
        gate.wait()
        try:
            keeper.take()
        except Busy as error:
            busy.append(error.message)
        else:
            taken.append(f"run{number}")
        over.wait()
        keeper.release({})

    # The card of a run that died lies there; nobody may be told that it is the holder.
    place.keeper("dead").take()
    os.kill(int((place.state / "runs/dead/keeper").read_text()), signal.SIGKILL)
    threads = [threading.Thread(target=go, args=(number,)) for number in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert len(busy) == runs - 1
    assert all(f"run {taken[0]}" in message for message in busy), busy
    assert place.is_free()


def shimmed(place: Place, name: str, text: str) -> LocalHost:
    """Return a host on which one program is another, as it runs in a moment that is hard to hit."""
    directory = place.repo.parent / "shims"
    directory.mkdir()
    (directory / name).write_text(f"#!/bin/sh\n{text}")
    (directory / name).chmod(0o755)
    return LocalHost({**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"})


def test_before_the_holder_has_written_its_card_nobody_else_is_named(place: Place) -> None:
    place.keeper("dead").take()
    os.kill(int((place.state / "runs/dead/keeper").read_text()), signal.SIGKILL)
    wait_until(place.is_free)
    keeper = place.keeper("slow", shimmed(place, "mkdir", 'sleep 1.2; exec /bin/mkdir "$@"\n'))
    thread = threading.Thread(target=keeper.take)
    thread.start()
    wait_until(lambda: not place.is_free())
    with pytest.raises(Busy, match="run slow"):
        place.keeper("r2").take()
    thread.join()
    keeper.release({})


def test_whoever_comes_in_between_has_the_lock(place: Place) -> None:
    card = f"{place.state}/prod.lock.card"
    other = '{"run":"b","action":"deploy","by":"me","from":"here","since":"now"}'
    host = shimmed(
        place,
        "flock",
        f"case $* in *-s*) /usr/bin/flock -u 9; echo '{other}' >'{card}' ;; esac\n"
        'exec /usr/bin/flock "$@"\n',
    )
    with pytest.raises(Busy, match="deploy by me from here since now, run b"):
        place.keeper("a", host).take()
    assert place.is_free()


def test_the_card_says_who(place: Place) -> None:
    keeper = place.keeper("r1")
    keeper.take()
    card = Card.parse((place.state / "prod.lock.card").read_text())
    assert card is not None
    assert (card.run, card.action) == ("r1", "recover")
    with pytest.raises(Busy) as busy:
        place.keeper("r2").take()
    assert str(card) in busy.value.message
    assert "prod attach --run r1" in busy.value.hint
    assert "prod unlock" in busy.value.hint
    keeper.release({"event": "ended"})
    assert not (place.state / "prod.lock.card").exists()
    assert place.is_free()
    place.keeper("r2").take()


def test_environments_of_one_checkout_have_a_lock_each(place: Place) -> None:
    place.keeper("r1").take()
    place.keeper("r2", name="staging").take()
    with pytest.raises(Busy):
        place.keeper("r3").take()
    assert [run.id for run in place.history().runs] == ["r1"]


def test_the_lock_is_held_between_the_jobs_and_by_them(place: Place) -> None:
    keeper = place.keeper("r1")
    keeper.take()
    body = f"flock -n -x '{place.state}/prod.lock' true || echo held\n"
    job = Job(f"{keeper.state}/runs/r1/01-x", keeper.lock, "r1")
    log: list[bytes] = []

    class Follower:
        def output(self, block: bytes) -> None:
            log.append(block)

        def notice(self, text: str) -> None:
            raise AssertionError(text)

    assert run_job(place.host, job, Script(body), Follower()) == 0
    assert b"".join(log) == b"held\n"
    assert not place.is_free()
    keeper.ensure()
    assert keeper.state == str(place.state)
    keeper.release({})
    assert place.is_free()


def test_leaving_a_job_that_goes_on_leaves_the_lock_to_it(place: Place) -> None:
    keeper = place.keeper("r1")
    keeper.take()
    job = Job(f"{keeper.state}/runs/r1/01-x", keeper.lock, "r1")
    stop = place.state / "stop"
    body = f"while [ ! -e '{stop}' ]; do sleep 0.1; done\n"
    place.host.run(start_script(job, Script(body)))
    wait_until((Path(job.directory) / "pid").exists)
    time.sleep(0.2)
    keeper.leave()
    with pytest.raises(Busy, match="run r1"):
        place.keeper("r2").take()
    history = place.history("r1")
    assert history.held  # it cannot be dismissed, because the job is at work
    stop.touch()
    wait_until(place.is_free)
    keeper = place.keeper("r2")
    keeper.take()  # the card of r1 is there still, and in nobody's way
    keeper.release({})


def test_a_lost_client_keeps_the_lock_for_the_lease(place: Place, box: Remote) -> None:
    with box.host() as host:
        place.keeper("r1", host).take()
    began = time.monotonic()
    assert not place.is_free()
    wait_until(place.is_free)
    assert 2.5 < time.monotonic() - began < 8


def test_a_client_that_is_there_keeps_the_lock_longer_than_the_lease(place: Place) -> None:
    keeper = place.keeper("r1")
    keeper.take()
    time.sleep(6)
    assert not place.is_free()
    assert place.history("r1").held  # and nobody can dismiss it
    keeper.release({})


CLIENT: Final = """
import sys, time
from ops.host.local import LocalHost
from ops.host.ssh import SshHost
from ops.host.connection import Address
from pathlib import Path
from ops.inventory import Environment, Host, UrlSource
from ops.run import lock
lock.PING_SECONDS = 1
environment = Environment(hosts=[Host(host="h")], repo=sys.argv[1],
    database_url=UrlSource(env="X"), backups="/b")
host = SshHost(Address("box", ssh_config=Path(sys.argv[2])))
lock.Keeper(host, environment, "prod", "r1", "recover", print).take()
print("taken", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_client_that_was_killed_or_sleeps_can_be_unlocked(
    place: Place, box: Remote, end: signal.Signals
) -> None:
    config = box.config()
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(place.repo), str(config)],
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"taken\n"
        assert place.history("r1").held, "it is there: not to be dismissed"
        client.send_signal(end)
        # Its connection has ended: at once. It has not: when nothing was heard for three pings.
        wait_until(lambda: not place.history("r1").held, within=15)
        client.kill()
    assert place.is_free()
    assert place.history().card is None


def test_the_lock_of_a_dead_keeper_is_free_and_its_card_is_shown(place: Place) -> None:
    place.keeper("r1").take()
    os.kill(int((place.state / "runs/r1/keeper").read_text()), signal.SIGKILL)
    wait_until(place.is_free)
    history = place.history()
    assert not history.held
    assert history.card is not None
    assert history.card.run == "r1"
    assert place.history("r1").card is not None  # shown once more, then removed
    assert place.history().card is None


# ------------------------------------------------------------------ lost connections


@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_the_lock_is_taken_up_again_after_a_lost_connection(
    place: Place, box: Remote, how: str
) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        keeper = place.keeper("r1", host)
        keeper.take()
        first = (place.state / "runs/r1/keeper").read_text()
        getattr(proxy, how)()
        time.sleep(1.5)  # noticed
        with pytest.raises(Busy):
            place.keeper("r2").take()
        threading.Timer(0.5, proxy.thaw).start()
        keeper.ensure()
        assert (place.state / "runs/r1/keeper").read_text() != first
        assert place.notices
        # The first keeper ends by itself, even where it sees no end of its connection.
        wait_until(lambda: not Path(f"/proc/{int(first)}").exists())
        keeper.release({"event": "ended", "run": "r1"})
        assert place.is_free()
    lines = (place.state / "runs/r1/journal.jsonl").read_text().splitlines()
    assert [json.loads(each)["event"] for each in lines] == ["began", "ended"]


def test_a_keeper_whose_connection_only_froze_gives_way_to_the_next(
    place: Place, box: Remote
) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        keeper = place.keeper("r1", host)
        keeper.take()
        first = int((place.state / "runs/r1/keeper").read_text())
        proxy.freeze()
        with box.host() as other:  # the client by another way; the first connection stays frozen
            keeper._host = other
            time.sleep(1.5)
            keeper.ensure()
            wait_until(lambda: not Path(f"/proc/{first}").exists())
            keeper.release({})
            assert place.is_free()
        proxy.thaw()


def test_a_lock_that_others_had_meanwhile_is_not_taken_up_again(place: Place, box: Remote) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        keeper = place.keeper("r1", host)
        keeper.take()
        proxy.cut()
        wait_until(lambda: not place.history("r1").held)
        other = place.keeper("r2")
        other.take()
        with pytest.raises(Busy, match=r"the lock was lost.*run r2"):
            keeper.ensure()
        other.release({})
        with pytest.raises(Busy, match="others have been there since"):
            keeper.ensure()


def test_another_host_in_its_place_does_not_get_the_run(
    place: Place, box: Remote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        remote(tmp_path_factory.mktemp("other") / "r") as other,
        CutProxy(box.server.port) as proxy,
        box.host(port=proxy.port) as host,
    ):
        keeper = place.keeper("r1", host)
        keeper.take()
        proxy._target_port = other.server.port
        proxy.cut()
        time.sleep(0.3)
        with pytest.raises(HostKeyRefused):
            keeper.ensure()


def test_giving_back_makes_a_connection_where_it_is_gone(place: Place, box: Remote) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        keeper = place.keeper("r1", host)
        keeper.take()
        proxy.cut()
        time.sleep(0.3)
        keeper.release({"event": "ended"})
        wait_until(place.is_free, within=2)  # the first keeper looks around once a second
    assert '"ended"' in (place.state / "runs/r1/journal.jsonl").read_text()


@pytest.mark.parametrize("act", ["release", "leave"])
def test_giving_back_is_bounded_and_silent_where_no_connection_comes(
    place: Place, box: Remote, act: str
) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        keeper = place.keeper("r1", host)
        keeper.take()
        proxy._target_port = 1
        proxy.freeze()
        threading.Timer(2.5, proxy.cut).start()
        began = time.monotonic()
        if act == "release":
            keeper.release({})
        else:
            keeper.leave()
        assert time.monotonic() - began < 8
        time.sleep(max(0.0, began + 2.6 - time.monotonic()))


def test_a_link_that_freezes_while_the_lock_is_taken(place: Place, box: Remote) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        host.connect()
        proxy.freeze()
        began = time.monotonic()
        with pytest.raises((ConnectionLost, Unreachable)):
            place.keeper("r1", host).take()
        assert time.monotonic() - began < 5
        proxy.thaw()


def test_a_host_that_does_not_come_back_between_two_steps(
    place: Place, box: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RECONNECT_SECONDS", 0.5)
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        keeper = place.keeper("r1", host)
        keeper.take()
        proxy._target_port = 1
        proxy.cut()
        time.sleep(0.3)
        with pytest.raises(ConnectionLost, match="given up"):
            keeper.ensure()


def test_interrupted_while_taking_it_leaves_no_lock(
    place: Place, box: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = locks._first_answer

    def interrupted(*arguments: object) -> str:
        real(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(locks, "_first_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        place.keeper("r1").take()
    assert place.is_free()
    with box.host() as host:
        with pytest.raises(KeyboardInterrupt):
            place.keeper("r2", host).take()
        wait_until(place.is_free, within=1.5)  # earlier than the lease ends


# ------------------------------------------------------------------ places


def test_a_directory_without_git_is_no_place(tmp_path: Path) -> None:
    environment = place_in(tmp_path).environment
    subprocess.run(["rm", "-rf", environment.repo + "/.git"], check=True)
    with pytest.raises(StepFailed, match="there is no git directory"):
        Place(Path(environment.repo), environment, LocalHost()).keeper("r1").take()


def test_a_worktree_shares_the_lock_of_its_repository(tmp_path: Path) -> None:
    main = place_in(tmp_path)
    git = ["git", "-C", str(main.repo), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "w")], check=True)
    main.keeper("r1").take()
    environment = Environment(
        hosts=[Host(host="h")],
        repo=str(tmp_path / "w"),
        database_url=UrlSource(env="X"),
        backups="/b",
    )
    with pytest.raises(Busy, match="run r1"):
        Place(tmp_path / "w", environment, LocalHost()).keeper("r2").take()


def test_a_directory_of_its_own(tmp_path: Path) -> None:
    place = place_in(tmp_path, state=str(tmp_path / "state here"))
    keeper = place.keeper("r1")
    keeper.take()
    assert keeper.lock == f"{tmp_path}/state here/prod.lock"
    keeper.release({})


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = place_in(tmp_path, state=str(tmp_path / "file" / "state"))
    with pytest.raises(StepFailed, match=r"the lock cannot be taken: .*cannot be made"):
        place.keeper("r1").take()


@pytest.mark.parametrize(("mode", "wanted"), [(0o755, 0o755), (0o775, 0o775)])
def test_the_place_is_as_open_as_the_git_directory(place: Place, mode: int, wanted: int) -> None:
    (place.repo / ".git").chmod(mode)
    keeper = place.keeper("r1")
    keeper.take()
    assert place.state.stat().st_mode & 0o777 == wanted
    assert (place.state / "prod.lock").stat().st_mode & 0o777 == 0o666
    assert (place.state / "prod.lock.card").stat().st_mode & 0o777 == 0o644
    assert (place.state / "runs/r1").stat().st_mode & 0o777 == 0o700
    keeper.release({})


def test_a_shell_that_greets_does_not_disturb(place: Place) -> None:
    class Text:
        def __init__(self, script: object) -> None:
            self.script = script

        def render(self) -> str:
            return "printf 'Welcome'\n" + self.script.render()  # type: ignore[attr-defined, no-any-return]

    class Greeted(LocalHost):
        def open(self, script: object) -> object:  # type: ignore[override]
            return super().open(Text(script))  # type: ignore[arg-type]

    keeper = place.keeper("r1", Greeted())  # type: ignore[arg-type]
    keeper.take()
    assert keeper.state == str(place.state)
    keeper.release({})


# ------------------------------------------------------------------ cards and listings


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"run":"x"}', "null", "3"])
def test_a_card_that_cannot_be_read(text: str) -> None:
    assert Card.parse(text) is None


def test_a_card_without_a_reader(place: Place) -> None:
    place.keeper("r1").take()
    (place.state / "prod.lock.card").write_text("scribbled over\n")
    with pytest.raises(Busy, match="by a run that left no card"):
        place.keeper("r2").take()


def test_the_scripts_look_for_the_run_where_the_card_has_it(place: Place) -> None:
    text = keeper_script(place.environment, "prod", "r1", "recover", "@m").render()
    assert 'card=\'{"run":"r1",' in text


def test_the_history_of_runs(place: Place) -> None:
    assert place.history().runs == ()
    for run in ("20260101T000000Z-a", "20260102T000000Z-b"):
        keeper = place.keeper(run)
        keeper.take()
        for number, code in (("01-backup", "0"), ("02-deploy", "")):
            directory = place.state / "runs" / run / number
            directory.mkdir()
            if code:
                (directory / "rc").write_text(f"{code}\n")
        if run.endswith("a"):
            keeper.release(
                {"run": run, "event": "ended", "result": "done", "message": "zwölf\u2028€"}
            )
    first, second = place.history().runs
    assert (first.id, first.action, first.result) == ("20260101T000000Z-a", "recover", "done")
    assert first.message == "zwölf\u2028€"
    assert first.at.startswith("2")
    assert "@" in first.by
    assert [(job.name, job.exit_code) for job in first.jobs] == [
        ("01-backup", 0),
        ("02-deploy", None),
    ]
    assert (second.result, second.environment) == ("", "prod")


@pytest.mark.parametrize("journal", [b"", b"\n", b"[]\n", b'{"half', b"\xff\xfe\n"])
def test_a_journal_that_cannot_be_read_is_no_reason_to_fail(place: Place, journal: bytes) -> None:
    place.keeper("r1").take()
    broken = place.state / "runs" / "r0"
    broken.mkdir()
    (broken / "journal.jsonl").write_bytes(journal)
    assert [run.id for run in place.history().runs] == ["r1"]


def test_an_exit_code_that_is_none() -> None:
    text = "@m state /s\n@m free \n@m run r1\n{}\n{}\n@m job 01-x junk\n"
    history = parse_history(text, "@m")
    assert (history.held, history.card) == (False, None)
    assert history.runs[0].jobs[0].exit_code is None
