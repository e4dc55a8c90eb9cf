"""Jobs: started once, followed byte by byte over broken links, and their ends told apart."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ops.errors import ConnectionLost, HostKeyRefused, Refused, StepFailed, Unreachable
from ops.host import job as jobs
from ops.host.heartbeat import Pulse
from ops.host.job import Job, attach_job, may_pass, reconnect, run_job, start_script
from ops.host.local import LocalHost
from ops.host.script import Script
from ops.secrets import Secret
from tests.proxy import CutProxy
from tests.remote import QUICK, Remote, remote, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Host

SHELLS: Final = ["dash", "bash", "busybox"]
TOOLS: Final = (
    *("awk", "basename", "cat", "cut", "date", "dirname", "flock", "grep", "head", "kill", "ls"),
    *("mkdir", "mv", "perl", "printf", "ps", "rm", "rmdir", "sed", "seq", "setsid", "sleep"),
    *("sort", "stat", "tail", "touch", "tr", "true", "wc", "yes"),
)


class Follower:
    """Keeps everything."""

    def __init__(self) -> None:
        self.log = b""
        self.notices: list[str] = []

    def output(self, block: bytes) -> None:
        self.log += block

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("box") / "r") as one:
        yield one


def tools(place: Path, shell: str, *without: str) -> LocalHost:
    """A machine whose `sh` is another one, and that lacks some tools."""
    place.mkdir()
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell}")
    if shell == "busybox":
        (place / "sh").write_text(f'#!{found} sh\nexec {found} sh "$@"\n')
        (place / "sh").chmod(0o755)
        applets = subprocess.run([found, "--list"], check=True, capture_output=True, text=True)
        for name in TOOLS:
            if where := found if name in applets.stdout.split() else shutil.which(name):
                (place / name).symlink_to(where)
    else:
        (place / "sh").symlink_to(found)
        for name in TOOLS:
            if where := shutil.which(name):
                (place / name).symlink_to(where)
    for name in without:
        (place / name).unlink()
    return LocalHost({"PATH": str(place), "HOME": str(place)})


def job_in(tmp_path: Path, name: str = "01-x") -> Job:
    return Job(
        str(tmp_path / "run" / name), before='{"event":"begins"}', end='{"event":"ends","rc":'
    )


# ------------------------------------------------------------------ one job


@pytest.mark.parametrize("without", ["", "setsid", "flock"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_job_in_every_shell_and_without_some_tools(
    tmp_path: Path, shell: str, without: str
) -> None:
    host = tools(tmp_path / "bin", shell, *without.split())
    lock = tmp_path / "x.lock"
    lock.touch()
    Path(f"{lock}.card").write_text('{"run":"r1","x":1}\n')
    job = Job(str(tmp_path / "r1" / "01-x"), str(lock), "r1", '{"a":1}', '{"b":2,"rc":')
    follower = Follower()
    body = (
        'echo out; echo err >&2; printf "\\0\\377 end"; echo "$OPS_JOB" >>"$OPS_JOB/own"; exit 9\n'
    )
    assert run_job(host, job, Script(body), follower) == 9
    assert follower.log == b"out\nerr\n\0\xff end"
    place = Path(job.directory)
    assert (place / "rc").read_text() == "9\n"
    assert (place / "own").read_text() == f"{place}\n"
    before, after = (tmp_path / "r1" / "journal.jsonl").read_text().splitlines()
    assert before == '{"a":1}'
    assert after.startswith('{"b":2,"rc":9,"at":"2')
    assert {each.name for each in place.iterdir()} == {
        *("log", "own", "pid", "rc", "script", "supervisor.log")
    }
    assert (place / "supervisor.log").read_text() == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_everything_of_a_job_is_private(tmp_path: Path, shell: str) -> None:
    job = job_in(tmp_path)
    run_job(tools(tmp_path / "bin", shell), job, Script("touch $OPS_JOB/made\n"), Follower())
    for each in (Path(job.directory), *Path(job.directory).iterdir()):
        assert each.stat().st_mode & 0o077 == 0, each
    assert Path(job.directory).parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_the_lock_is_needed_and_not_inherited(tmp_path: Path, shell: str) -> None:
    host = tools(tmp_path / "bin", shell)
    lock = tmp_path / "x.lock"
    lock.touch()
    job = Job(str(tmp_path / "r1" / "01"), str(lock), "r1")
    follower = Follower()
    assert run_job(host, job, Script("echo never\n"), follower) == 75
    assert follower.log == b"the lock of this run is gone: nothing was started\n"

    Path(f"{lock}.card").write_text('{"run":"r1"}\n')
    job = Job(str(tmp_path / "r1" / "02"), str(lock), "r1")
    daemon = Script("sleep 20 & echo $!; flock -n -x 9 2>/dev/null && echo has 9\n")
    follower = Follower()
    began = time.monotonic()
    assert run_job(host, job, daemon, follower) != 0
    assert b"has 9" not in follower.log
    assert time.monotonic() - began < 5
    free = subprocess.run(["flock", "-n", "-x", str(lock), "true"], check=False)
    assert free.returncode == 0, "the daemon holds the lock"
    os.kill(int(follower.log.split()[0]), signal.SIGTERM)


def test_the_lock_is_held_while_the_job_is_at_work(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.touch()
    Path(f"{lock}.card").write_text('{"run":"r1"}\n')
    job = Job(str(tmp_path / "r1" / "01"), str(lock), "r1")
    body = f"flock -n -x {lock} true; echo $?\nflock -n -s {lock} true; echo $?\n"
    follower = Follower()
    run_job(LocalHost(), job, Script(body), follower)
    assert follower.log == b"1\n0\n"
    with lock.open() as other:
        subprocess.run(["flock", "-x", str(other.fileno())], pass_fds=[other.fileno()], check=True)
        follower = Follower()
        late = Job(str(tmp_path / "r1" / "02"), str(lock), "r1")
        assert run_job(LocalHost(), late, Script("echo never\n"), follower) == 75


def test_started_twice_it_runs_once(tmp_path: Path) -> None:
    host, job = LocalHost(), job_in(tmp_path)
    script = Script(f"echo ran >>{tmp_path}/ran; sleep 0.3; echo end; exit 3\n")
    ends: list[tuple[int, bytes]] = []

    def go() -> None:
        follower = Follower()
        code = run_job(host, job, script, follower)
        ends.append((code, follower.log))

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    go()  # and after its end
    assert ends == [(3, b"end\n")] * 7
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert len((tmp_path / "run" / "journal.jsonl").read_text().splitlines()) == 2


def test_a_start_that_is_cut_anywhere_starts_nothing_or_all(tmp_path: Path) -> None:
    text = start_script(job_in(tmp_path), Script(f"echo ran >>{tmp_path}/ran\n")).render().encode()
    # Every byte of the part that is ours last, and a sample of the rest: one shell for each.
    cuts = [*range(0, len(text) - 60, 37), *range(len(text) - 60, len(text) - 1)]
    for end in cuts:
        subprocess.run(["sh", "-s"], input=text[:end], capture_output=True, check=False)
        assert not (tmp_path / "run").exists(), text[:end][-40:]
    subprocess.run(["sh", "-s"], input=text, check=True)
    wait_until((tmp_path / "run" / "01-x" / "rc").exists)
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_attaching_follows_from_the_first_byte(tmp_path: Path) -> None:
    host, job = LocalHost(), job_in(tmp_path)
    script = Script("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done; exit 2\n")
    thread = threading.Thread(target=run_job, args=(host, job, script, Follower()))
    thread.start()
    wait_until((tmp_path / "run" / "01-x" / "pid").exists)
    for _ in range(2):  # at work, and ended
        follower = Follower()
        assert attach_job(host, job, follower) == 2
        assert follower.log == b"1\n2\n3\n4\n5\n6\n7\n8\n"
    thread.join()


# ------------------------------------------------------------------ ends


def started(host: Host, job: Job, body: str) -> None:
    host.run(start_script(job, Script(body)))
    script = Path(job.directory) / "script"
    wait_until(lambda: script.exists() and script.read_text())


def pid_in(job: Job, name: str) -> int:
    return int((Path(job.directory) / name).read_text().split()[0])


def test_a_killed_script_has_an_exit_code(tmp_path: Path) -> None:
    host, job = LocalHost(), job_in(tmp_path)
    started(host, job, "echo there; sleep 30\n")
    os.kill(pid_in(job, "script"), signal.SIGKILL)
    assert attach_job(host, job, Follower()) == 137


def test_a_killed_supervisor_whose_script_goes_on(tmp_path: Path) -> None:
    host, job = LocalHost(), job_in(tmp_path)
    started(host, job, "echo there; sleep 30\n")
    script = pid_in(job, "script")
    os.kill(pid_in(job, "pid"), signal.SIGKILL)
    follower = Follower()
    with pytest.raises(StepFailed, match=r"its script \(pid \d+\) is still at work") as error:
        attach_job(host, job, follower)
    assert str(script) in error.value.message
    assert follower.log == b"there\n"
    os.kill(script, signal.SIGKILL)
    wait_until(lambda: "still at work" not in message_of(host, job))
    assert "the job died without an exit code" in message_of(host, job)


def message_of(host: Host, job: Job) -> str:
    with pytest.raises(StepFailed) as error:
        attach_job(host, job, Follower())
    return error.value.message


def test_a_process_with_the_same_id_is_another(tmp_path: Path) -> None:
    host, job = LocalHost(), job_in(tmp_path)
    place = Path(job.directory)
    place.mkdir(parents=True)
    (place / "log").write_text("half")
    (place / "pid").write_text(f"{os.getpid()} 12345\n")
    follower = Follower()
    with pytest.raises(StepFailed, match="died"):
        attach_job(host, job, follower)
    assert follower.log == b"half"


def test_a_process_that_nobody_collects_has_ended(tmp_path: Path) -> None:
    """In a container whose first process is no init, a killed supervisor stays as a zombie."""
    host, job = LocalHost(), job_in(tmp_path)
    place = Path(job.directory)
    place.mkdir(parents=True)
    (place / "log").touch()
    with subprocess.Popen(["true"]) as zombie:
        stat = Path(f"/proc/{zombie.pid}/stat")
        wait_until(lambda: ") Z " in stat.read_text())
        (place / "pid").write_text(f"{zombie.pid} {stat.read_text().split(') ')[1].split()[19]}\n")
        assert "died" in message_of(host, job)


@pytest.mark.parametrize("without", ["", "flock"])
def test_a_lock_that_another_run_has_is_not_waited_for(tmp_path: Path, without: str) -> None:
    host = tools(tmp_path / "bin", "dash", *without.split())
    lock = tmp_path / "x.lock"
    Path(f"{lock}.card").write_text('{"run":"r1"}\n')
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        job = Job(str(tmp_path / "r1" / "01"), str(lock), "r1")
        timer = threading.Timer(5, fcntl.flock, (other, fcntl.LOCK_UN))
        timer.start()
        assert run_job(host, job, Script("echo never\n"), Follower()) == 75
        timer.cancel()


def test_a_job_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"cannot be followed: .*No such file") as error:
        attach_job(LocalHost(), job_in(tmp_path), Follower())
    assert job_in(tmp_path).directory in error.value.hint


def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StepFailed, match=r"did not start.*(File exists|Not a directory)"):
        run_job(LocalHost(), job_in(tmp_path), Script("echo\n"), Follower())


def test_a_directory_in_which_no_job_can_be_made(tmp_path: Path) -> None:
    job = Job(str(tmp_path / "run" / ("x" * 300)))
    with pytest.raises(StepFailed, match=r"mkdir: .*File name too long"):
        run_job(LocalHost(), job, Script("echo\n"), Follower())


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.host
def test_a_full_disk_before_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        (disk / "run").mkdir()
        (disk / "run" / "journal.jsonl").touch()
        full = subprocess.run(
            ["dd", "if=/dev/zero", f"of={disk}/filler"], capture_output=True, check=False
        )
        assert b"No space left" in full.stderr
        with pytest.raises(StepFailed, match=r"No space left|did not start"):
            run_job(LocalHost(), Job(str(disk / "run" / "01-x")), Script("echo\n"), Follower())
        assert not (disk / "run" / "01-x" / "rc").exists()


@pytest.mark.host
def test_a_disk_that_fills_up_meanwhile(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        job = Job(str(disk / "run" / "01-x"))
        follower = Follower()
        with pytest.raises(StepFailed, match="died without an exit code") as error:
            run_job(LocalHost(), job, Script("yes || exit 5\n"), follower)
        assert "disk is full" in error.value.hint
        assert follower.log == (disk / "run" / "01-x" / "log").read_bytes()


# ------------------------------------------------------------------ secrets and delimiters


@pytest.mark.parametrize("shell", SHELLS)
def test_a_secret_is_in_no_argument_list_and_no_file(tmp_path: Path, shell: str) -> None:
    canary = "c4nary@:/%'\"$\\ \u00fc " * 900  # more than a pipe or a here-document's buffer holds
    host, job = tools(tmp_path / "bin", shell), job_in(tmp_path)
    script = Script(f"sleep 1; echo ${{#secret}} >{tmp_path}/length\n", {"secret": Secret(canary)})
    found: list[str] = []
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    data = file.read_bytes()
                except OSError:
                    continue
                if b"sh\0-s" in data:
                    seen.add(file.parent.name)
                if b"c4nary" in data:
                    found.append(f"{file}: {data[:80]!r}")
            files = (each for each in tmp_path.rglob("*") if each.is_file())
            ours = (each for each in files if "bin" not in each.parts)
            found.extend(str(each) for each in ours if b"c4nary" in each.read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        assert run_job(host, job, script, Follower()) == 0
    finally:
        ended.set()
        thread.join()
    assert found == []
    assert len(seen) >= 2  # it did look at the supervisor and the script
    assert int((tmp_path / "length").read_text()) >= len(canary)


@pytest.mark.parametrize("delimiter", ["END_OF_JOB", "END_OF_SUPERVISOR"])
def test_a_script_that_would_end_too_early_is_refused(tmp_path: Path, delimiter: str) -> None:
    job = job_in(tmp_path)
    cut = Script("echo $a\n", {"a": f"x\n{delimiter}\necho INJECTED >{tmp_path}/ran"})
    with pytest.raises(Refused, match=delimiter):
        run_job(LocalHost(), job, cut, Follower())
    assert not (tmp_path / "run").exists()
    # Inside a line it ends nothing.
    follower = Follower()
    assert run_job(LocalHost(), job, Script("echo $a\n", {"a": f"x{delimiter}"}), follower) == 0
    assert follower.log == f"x{delimiter}\n".encode()


def test_a_journal_line_may_hold_the_words_of_a_template(tmp_path: Path) -> None:
    before = '{"commands":["@script@ @supervisor@","it\'s"]}'
    job = Job(str(tmp_path / "run" / "01"), before=before, end='{"x":"@script@","rc":')
    assert run_job(LocalHost(), job, Script("exit 0\n"), Follower()) == 0
    assert (tmp_path / "run" / "journal.jsonl").read_text().splitlines()[0] == before


def test_what_people_see_of_a_start_has_no_secret(tmp_path: Path) -> None:
    text = start_script(job_in(tmp_path), Script("x\n", {"a": Secret("hunter22")}))
    assert "hunter22" in text.render()
    assert "hunter22" not in text.masked()
    chain = jobs._Chain((text, Script("y\n", {"b": Secret("hunter22")})))
    assert chain.masked().count("'***'") == 2
    assert "hunter22" not in chain.masked()


# ------------------------------------------------------------------ broken links


@pytest.mark.parametrize("seed", range(4))
def test_every_byte_comes_once_over_a_link_that_breaks_again_and_again(
    box: Remote, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    body = (
        f"echo ran >>{tmp_path}/ran\n"
        "i=0; while [ $i -lt 40 ]; do\n"
        "i=$((i+1)); seq $((i*1000)) $((i*1000+400)); sleep 0.1; done\n"
        "printf 'last without end'; exit 11\n"
    )
    job = job_in(tmp_path)
    follower = Follower()
    ended = threading.Event()
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:

        def disturb() -> None:
            while not ended.wait(chance.uniform(0, 1.1)):
                how = chance.choice(["cut", "reset", "freeze", "bytes", "bytes"])
                if how == "bytes":
                    proxy.cut_after(chance.randrange(1, 9000), "to_client")
                elif how == "freeze":
                    proxy.freeze()
                    ended.wait(chance.uniform(0.2, 1.8))
                    proxy.thaw()
                else:
                    getattr(proxy, how)()

        disturber = threading.Thread(target=disturb)
        # Breaks during the start, too.
        disturber.start()
        try:
            code = run_job(host, job, Script(body), follower, reconnect=30)
        finally:
            ended.set()
            disturber.join()
    assert code == 11
    assert follower.log == (Path(job.directory) / "log").read_bytes()
    assert follower.log.endswith(b"last without end")
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert any("connecting again" in text for text in follower.notices)
    assert proxy.connections > 2


def test_fast_big_output_over_a_cut_link(box: Remote, tmp_path: Path) -> None:
    job, follower = job_in(tmp_path), Follower()
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        proxy.cut_after(3_000_000, "to_client")
        assert run_job(host, job, Script("seq 1 1000000\n"), follower) == 0
    assert follower.log == b"".join(b"%d\n" % number for number in range(1, 1000001))


def test_a_greeting_of_the_login_shell_is_not_part_of_the_log(box: Remote, tmp_path: Path) -> None:
    class Greeted:
        """A host whose shell prints before it runs what it is given."""

        label = "greeted"

        def open(self, script: object) -> object:
            class Text:
                def render(self) -> str:
                    return "printf 'Welcome! no line end'\n" + script.render()  # type: ignore[attr-defined, no-any-return]

            return LocalHost().open(Text())  # type: ignore[arg-type]

    follower = Follower()
    assert run_job(Greeted(), job_in(tmp_path), Script("echo mine\n"), follower) == 0  # type: ignore[arg-type]
    assert follower.log == b"mine\n"


def test_a_silent_job_may_lose_its_link_later_than_the_window(box: Remote, tmp_path: Path) -> None:
    """The time for connecting again counts from the loss, not from an earlier one."""
    job, follower = job_in(tmp_path), Follower()
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        ended = threading.Event()

        def disturb() -> None:
            ended.wait(0.5)
            proxy.cut()
            ended.wait(1.5)  # longer than the window
            proxy._target_port = 1  # the first attempts fail
            proxy.cut()
            ended.wait(0.5)
            proxy._target_port = box.server.port

        thread = threading.Thread(target=disturb)
        thread.start()
        assert run_job(host, job, Script("sleep 4; exit 6\n"), follower, reconnect=1.2) == 6
        ended.set()
        thread.join()


def test_a_host_that_does_not_come_back(box: Remote, tmp_path: Path) -> None:
    job, follower = job_in(tmp_path), Follower()
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        started(host, job, "sleep 1; echo end\n")
        threading.Timer(0.3, proxy.cut).start()
        proxy._target_port = 1  # nobody listens there
        with pytest.raises(ConnectionLost, match=r"given up after .*the job may go on") as lost:
            attach_job(host, job, follower, reconnect=0.5)
        assert "attach" in lost.value.hint
        assert any("trying again" in text for text in follower.notices)
        proxy._target_port = box.server.port
        host.reconnect()
        again = Follower()
        assert attach_job(host, job, again) == 0
        assert again.log == b"end\n"


def test_another_host_in_its_place_is_not_talked_to(
    box: Remote, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    job, follower = job_in(tmp_path), Follower()
    with (
        remote(tmp_path_factory.mktemp("other") / "r") as other,
        CutProxy(box.server.port) as proxy,
        box.host(port=proxy.port) as host,
    ):
        started(host, job, "sleep 2; echo end\n")
        threading.Timer(0.3, proxy.cut).start()
        proxy._target_port = other.server.port
        with pytest.raises(HostKeyRefused, match="CHANGED"):
            attach_job(host, job, follower, reconnect=30)


def test_a_link_that_died_before_the_start_is_made_again(box: Remote, tmp_path: Path) -> None:
    job, follower = job_in(tmp_path), Follower()
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        host.connect()
        proxy._target_port = 1
        proxy.cut()
        time.sleep(0.3)  # noticed: the next script opens a connection of its own

        def mend() -> None:
            proxy._target_port = box.server.port

        threading.Timer(0.5, mend).start()
        assert run_job(host, job, Script("exit 8\n"), follower, reconnect=10) == 8


def test_only_a_lost_link_is_tried_again() -> None:
    assert may_pass(ConnectionLost("x"))
    assert may_pass(Unreachable("x"))
    assert not may_pass(HostKeyRefused("x"))
    assert not may_pass(StepFailed("x"))

    class Refusing:
        label = "x"
        calls = 0

        def reconnect(self) -> None:
            self.calls += 1
            raise Unreachable("no answer")

    host = Refusing()
    with pytest.raises(ConnectionLost, match="no answer; given up after 0 s"):
        reconnect(host, -5, lambda _: None)  # type: ignore[arg-type]
    assert host.calls == 1


@pytest.mark.host
@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_openssh_over_a_broken_link(tmp_path: Path, how: str) -> None:
    job, follower = job_in(tmp_path), Follower()
    with (
        remote(tmp_path / "r", "openssh") as real,
        CutProxy(real.server.port) as proxy,
        real.host(port=proxy.port, pulse=Pulse(0.3, 1.5)) as host,
    ):
        disturbers = [threading.Timer(0.5, getattr(proxy, how)), threading.Timer(2.2, proxy.thaw)]
        for each in disturbers:
            each.start()
        body = "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.3; done; exit 4\n"
        assert run_job(host, job, Script(body), follower) == 4
        for each in disturbers:
            each.cancel()
            each.join()
    assert follower.log == b"1\n2\n3\n4\n5\n6\n7\n8\n9\n"
    assert QUICK.silence < 2
