"""Scripts on a host: what they print, how they end, and that nothing waits for ever."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from ops.errors import ConnectionLost, StepFailed
from ops.host.heartbeat import Heard, Pulse
from ops.host.local import LocalHost
from ops.host.script import Script
from ops.host.ssh import SshHost, _SshProcess
from tests.proxy import CutProxy
from tests.remote import QUICK, Remote, remote, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Host, Process

KINDS: Final = [
    "local",
    "builtin",
    pytest.param("openssh", marks=pytest.mark.host),
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Remote]]:
    made: dict[str, Remote] = {}
    opened = []
    for kind in ("builtin", "openssh"):
        context = remote(tmp_path_factory.mktemp(kind) / "r", kind)
        try:
            made[kind] = context.__enter__()
        except Exception:  # noqa: BLE001 - its tests are marked `host`
            continue
        opened.append(context)
    yield made
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def host(request: pytest.FixtureRequest, servers: dict[str, Remote]) -> Iterator[Host]:
    before = set(threading.enumerate())
    if request.param == "local":
        yield LocalHost()
    else:
        with servers[request.param].host() as found:
            yield found
    wait_until(lambda: not {each for each in threading.enumerate() if each.is_alive()} - before)


@pytest.fixture
def box(servers: dict[str, Remote]) -> Remote:
    return servers["builtin"]


on_every_host = pytest.mark.parametrize("host", KINDS, indirect=True)


@on_every_host
def test_both_outputs_and_the_exit_code(host: Host) -> None:
    done = host.run(Script("echo out; echo err >&2; printf '\\0\\377'; exit 7\n"))
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\n\0\xff", b"err\n")
    with pytest.raises(StepFailed, match=r"^looking: exit code 7: err$"):
        done.checked("looking")


@on_every_host
def test_a_failure_without_words(host: Host) -> None:
    with pytest.raises(StepFailed, match=r"^looking: exit code 3: $"):
        host.run(Script("exit 3\n")).checked("looking")


@on_every_host
def test_a_script_killed_by_a_signal_is_not_a_lost_connection(host: Host) -> None:
    # A login shell in between makes 137 of it.
    assert host.run(Script("kill -9 $$\n")).exit_code in (-9, -1, 137)


@on_every_host
def test_a_dialogue(host: Host) -> None:
    body = 'echo ready; read -r a; echo "one $a"; read -r b; echo "two $b"\n'
    with host.open(Script(body, talks=True)) as it:
        blocks = it.blocks()
        assert next(blocks) == b"ready\n"
        it.send(b"x\n")
        assert next(blocks) == b"one x\n"
        it.send(b"y\n")
        it.finish_input()
        assert b"".join(blocks) == b"two y\n"
        assert it.wait() == 0


@on_every_host
def test_a_script_that_ends_before_it_has_read_all(host: Host) -> None:
    with host.open(Script("exit 4\n", talks=True)) as it:
        it.send(b"x" * 5_000_000)
        it.finish_input()
        assert b"".join(it.blocks()) == b""
        assert it.wait() == 4


@on_every_host
def test_a_script_that_reads_slowly_gets_all(host: Host) -> None:
    data = random.Random(1).randbytes(8_000_000).replace(b"\n", b"n")
    with host.open(Script("echo; sleep 1; cat | sha256sum\n", talks=True)) as it:
        blocks = it.blocks()
        assert next(blocks) == b"\n"
        it.send(data)
        it.finish_input()
        assert b"".join(blocks).split()[0].decode() == hashlib.sha256(data).hexdigest()


@on_every_host
def test_big_output_on_both_streams(host: Host) -> None:
    done = host.run(Script("seq 1 300000 & seq 1 300000 >&2; wait\n"))
    whole = b"".join(b"%d\n" % number for number in range(1, 300001))
    assert done.stdout == whole
    assert done.stderr == whole


@on_every_host
@pytest.mark.parametrize("stream", ["2>&1", "2>/dev/null", ">/dev/null"])
def test_what_a_script_leaves_running_is_not_waited_for(host: Host, stream: str) -> None:
    began = time.monotonic()
    done = host.run(Script(f"sleep 60 {stream} & echo $!; echo there >&2\n"))
    assert time.monotonic() - began < 8
    os.kill(int(done.stdout), 15)
    assert (done.exit_code, done.stderr) == (0, b"there\n")


@on_every_host
def test_a_pause_after_the_last_output_cuts_nothing_off(host: Host) -> None:
    # What is left running goes on writing, and the script's own output comes whole.
    done = host.run(Script("(sleep 0.7; echo late) & echo now\n"))
    assert done.stdout == b"now\nlate\n"


@on_every_host
def test_letting_go_of_a_script_does_not_wait_for_it(host: Host) -> None:
    began = time.monotonic()
    with host.open(Script("echo there; sleep 30\n")) as it:
        assert next(it.blocks()) == b"there\n"
    assert time.monotonic() - began < 5


@on_every_host
def test_a_local_or_remote_label(host: Host) -> None:
    assert host.label == "local" or host.label.split("@")[1].startswith("127.0.0.1:")


def test_the_environment_of_a_local_host_can_be_given() -> None:
    host = LocalHost({"PATH": os.environ["PATH"], "WORD": "given"})
    assert host.run(Script('echo "$WORD$HOME"\n')).stdout == b"given\n"
    host.reconnect()
    host.close()


# ------------------------------------------------------------------ broken links


def use(host: Host, it: Process, doing: str) -> None:
    if doing == "reading":
        assert b"".join(it.blocks()) == b""
    if doing == "errors":
        assert it.errors() == b""
    while doing == "sending":
        it.send(b"x" * 500_000)
    if doing == "opening":
        host.run(Script(":\n"))
    it.wait()


@pytest.mark.parametrize(
    ("doing", "how"),
    [
        *(
            (doing, how)
            for doing in ("reading", "waiting", "sending", "errors")
            for how in ("cut", "reset", "freeze")
        ),
        # Where the end has been noticed, opening connects again by itself.
        ("opening", "freeze"),
    ],
)
def test_a_broken_link_is_noticed_whatever_one_does(box: Remote, how: str, doing: str) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        host.connect()
        began = time.monotonic()
        with host.open(Script("sleep 9\n", talks=True)) as it:
            getattr(proxy, how)()
            with pytest.raises(ConnectionLost) as lost:
                use(host, it, doing)
        assert time.monotonic() - began < 4
        assert "the connection is gone" in lost.value.message
        proxy.thaw()
        host.reconnect()
        assert host.run(Script("echo back\n")).stdout == b"back\n"


def test_closing_is_quick_on_a_frozen_link(box: Remote) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port, pulse=Pulse(30, 60)) as host:
        with host.open(Script("sleep 9\n")):
            proxy.freeze()
        began = time.monotonic()
        host.close()
        assert time.monotonic() - began < 2


def test_every_cut_of_the_last_bytes_is_a_lost_link_or_a_whole_answer(box: Remote) -> None:
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port) as host:
        for ahead in range(40, 900, 40):
            host.reconnect()
            proxy.cut_after(ahead, "to_client")
            try:
                done = host.run(Script("echo out; exit 3\n"))
            except ConnectionLost:
                continue
            assert (done.exit_code, done.stdout) == (3, b"out\n")
            proxy.cut_after(10**9, "to_client")


def test_a_slow_line_full_of_output_is_not_a_dead_one(box: Remote) -> None:
    # Two megabytes are on their way, so a reply takes longer than a link may be silent.
    pulse = Pulse(0.2, 0.8)
    with CutProxy(box.server.port) as proxy, box.host(port=proxy.port, pulse=pulse) as host:
        host.connect()
        ended = threading.Event()

        def throttle() -> None:
            while not ended.is_set():
                proxy.freeze()
                time.sleep(0.25)
                proxy.thaw()
                time.sleep(0.002)

        thread = threading.Thread(target=throttle)
        thread.start()
        try:
            done = host.run(Script("head -c 6000000 /dev/zero\n"))
        finally:
            ended.set()
            thread.join()
        assert len(done.stdout) == 6_000_000


def test_an_idle_link_stays(box: Remote) -> None:
    with box.host(pulse=QUICK) as host:
        assert host.run(Script("sleep 2.5; echo there\n")).stdout == b"there\n"


def test_fifty_megabytes_come_whole(box: Remote) -> None:
    with box.host() as host, host.open(Script("yes | head -c 52428800\n")) as it:
        it.finish_input()
        size = sum(len(block) for block in it.blocks())
        assert (size, it.wait()) == (52428800, 0)


def test_closing_the_input_over_a_link_that_is_gone(box: Remote) -> None:
    with (
        CutProxy(box.server.port) as proxy,
        box.host(port=proxy.port) as host,
        host.open(Script("sleep 9\n", talks=True)) as it,
    ):
        proxy.cut()
        time.sleep(0.5)
        with pytest.raises(ConnectionLost):
            it.send(b"x")
        it.finish_input()  # nothing is lost by that
        with pytest.raises(ConnectionLost):
            it.wait()


def test_the_command_for_logging_in_by_hand(box: Remote) -> None:
    address = box.address()
    assert SshHost(address).login == f"ssh -F {address.ssh_config} box"
    assert SshHost(replace(address, user="me", port=2)).login == (
        f"ssh -F {address.ssh_config} -p 2 me@box"
    )


class _Ending:
    """A channel whose transport has closed it, and says only a moment later that it ends itself."""

    exit_status = -1

    def __init__(self) -> None:
        self.joined = False

    def settimeout(self, seconds: float) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return b""

    recv_stderr = recv

    def exit_status_ready(self) -> bool:
        return True

    def recv_exit_status(self) -> int:
        return -1

    def shutdown_write(self) -> None:
        raise EOFError

    def close(self) -> None:
        raise EOFError

    def get_transport(self) -> _Ending:
        return self

    def join(self, seconds: float) -> None:
        self.joined = True

    def is_active(self) -> bool:
        return not self.joined


def test_a_link_that_is_about_to_say_that_it_ended_is_no_signal() -> None:
    def process() -> _SshProcess:
        channel: Any = _Ending()
        return _SshProcess(channel, Heard(channel), "me@host")

    with pytest.raises(ConnectionLost, match=r"^me@host: the connection is gone$"):
        process().wait()
    with pytest.raises(ConnectionLost):
        process().send(b"x")
    with pytest.raises(ConnectionLost):
        process().finish_input()
    process().close()


class _Broken(_Ending):
    """A channel that breaks while it tells the other side that it may send more."""

    def recv(self, size: int) -> bytes:
        raise EOFError

    recv_stderr = recv


def test_a_link_that_breaks_while_reading_ends_the_output() -> None:
    channel: Any = _Broken()
    process = _SshProcess(channel, Heard(channel), "me@host")
    assert list(process.blocks()) == []
    assert process.errors() == b""
