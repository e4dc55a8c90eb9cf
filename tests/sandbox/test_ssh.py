"""The sandbox's SSH servers: both kinds behave the same where a client can tell."""

from __future__ import annotations

import hashlib
import os
import pwd
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ops.errors import StepFailed, UsageError
from ops.sandbox import ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY: Final = "a'b\"c $HOME \\ %d @:/ ü"
ON_LINUX: Final = sys.platform == "linux"


@dataclass(frozen=True)
class Box:
    """A started server, its directory, and what it said."""

    root: Path
    home: Path
    server: ssh.SshServer
    said: list[str]

    def connect(self, *, user: str | None = None, key: Path | None = None) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        client.load_host_keys(str(self.root / "ssh" / "known_hosts"))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            "127.0.0.1",
            self.server.port,
            user or self.server.user,
            key_filename=str(key or self.root / "ssh" / "id_ed25519"),
            allow_agent=False,
            look_for_keys=False,
            timeout=10,
        )
        # Without it each small command waits 40 ms for a delayed acknowledgement.
        transport = client.get_transport()
        assert transport is not None
        assert isinstance(transport.sock, socket.socket)
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def open_session(self, client: paramiko.SSHClient) -> paramiko.Channel:
        transport = client.get_transport()
        assert transport is not None
        channel = transport.open_session(timeout=10)
        channel.settimeout(20)
        return channel

    def run(self, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        with self.connect() as client:
            channel = self.open_session(client)
            channel.exec_command(command)
            feeder = threading.Thread(target=self._feed, args=(channel, stdin))
            feeder.start()
            stdout = channel.makefile("rb").read()
            stderr = channel.makefile_stderr("rb").read()
            status = channel.recv_exit_status()
            feeder.join()
            return status, stdout, stderr

    @staticmethod
    def _feed(channel: paramiko.Channel, data: bytes) -> None:
        try:
            channel.sendall(data)
            channel.shutdown_write()
        except OSError:
            assert channel.closed  # a command may end without reading everything


@contextmanager
def started(root: Path, kind: ssh.Kind) -> Iterator[Box]:
    """Start a server in a directory with a space in its name, and stop it in any case."""
    root = root / "the box"
    home = root / "its home"
    home.mkdir(parents=True)
    said: list[str] = []
    server = ssh.start(root, kind=kind, home=home, environment={"CANARY": CANARY}, say=said.append)
    try:
        yield Box(root, home, server, said)
    finally:
        ssh.stop(server)


KINDS: Final = ["builtin", pytest.param("openssh", marks=pytest.mark.host)]


@pytest.fixture(scope="module", params=KINDS)
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with started(tmp_path_factory.mktemp("ssh"), request.param) as box:
        yield box


@pytest.fixture
def builtin(tmp_path: Path) -> Iterator[Box]:
    with started(tmp_path, "builtin") as box:
        yield box


def wait_until(true: Callable[[], bool], within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pid_in(file: Path) -> int:
    assert wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def ended(pid: int) -> bool:
    return ssh.started_at(pid) is None


# ------------------------------------------------------------------ what a session gets


def test_a_session_starts_in_its_home_with_the_given_environment(box: Box) -> None:
    names = ["HOME", "PATH", "CANARY", "USER", "LOGNAME", "SHELL"]
    status, stdout, stderr = box.run(
        "pwd; for n in " + " ".join(names) + '; do eval "printf \'%s\\n\' \\"\\$$n\\""; done'
    )
    user = pwd.getpwuid(os.getuid()).pw_name
    home = str(box.home)
    assert stdout.decode().splitlines() == [
        home, home, "/usr/local/bin:/usr/bin:/bin", CANARY, user, user, "/bin/sh",
    ]  # fmt: skip
    assert (status, stderr) == (0, b"")


def test_nothing_of_the_callers_environment_reaches_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "1")
    with started(tmp_path, "builtin") as box:
        _, stdout, _ = box.run("env")
    assert b"OF_THE_CALLER" not in stdout


def test_a_session_knows_its_connection(box: Box) -> None:
    _, stdout, _ = box.run("echo $SSH_CONNECTION")
    client, _, server, port = stdout.decode().split()
    assert (client, server, int(port)) == ("127.0.0.1", "127.0.0.1", box.server.port)


@pytest.mark.parametrize("code", [0, 1, 7, 126, 255])
def test_exit_status(box: Box, code: int) -> None:
    assert box.run(f"exit {code}")[0] == code


def test_output_and_errors_are_kept_apart(box: Box) -> None:
    assert box.run("echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")


def test_a_command_with_quotes_arrives_as_it_is(box: Box) -> None:
    text = 'it\'s "$HOME" `x` \\ * ; | é'
    assert box.run(f"printf %s {shlex.quote(text)}")[1].decode() == text


def test_a_shell_reads_commands_from_its_input(box: Box) -> None:
    shown = subprocess.run(
        ["ssh", "-T", "-F", str(box.root / "ssh_config"), "sandbox"],
        input="pwd\nexit 4\n", capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert (shown.returncode, shown.stdout) == (4, f"{box.home}\n")


def test_a_signal_is_told_as_a_signal(box: Box) -> None:
    shown = subprocess.run(
        ["ssh", "-v", "-F", str(box.root / "ssh_config"), "sandbox", "kill -9 $$"],
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert shown.returncode == 255
    assert "rtype exit-signal" in shown.stderr
    assert "rtype exit-status" not in shown.stderr


# ------------------------------------------------------------------ streams


def test_input_is_streamed_whole_and_ends(box: Box) -> None:
    data = bytes(range(256)) * 20_000  # 5 MB
    status, stdout, _ = box.run("sha256sum", stdin=data)
    assert (status, stdout.split()[0].decode()) == (0, hashlib.sha256(data).hexdigest())


def test_both_ways_at_once(box: Box) -> None:
    data = os.urandom(3_000_000)
    assert box.run("cat", stdin=data) == (0, data, b"")


def test_a_command_that_does_not_read_its_input_ends_all_the_same(box: Box) -> None:
    assert box.run("head -c 3", stdin=b"x" * 5_000_000) == (0, b"xxx", b"")


def test_output_is_whole_on_both_channels(box: Box) -> None:
    with box.connect() as client:
        channel = box.open_session(client)
        channel.exec_command("seq 1 200000; seq 1 50000 >&2")
        errors: list[bytes] = []
        reader = threading.Thread(
            target=lambda: errors.append(channel.makefile_stderr("rb").read())
        )
        reader.start()
        output = channel.makefile("rb").read()
        reader.join()
    assert output == b"".join(b"%d\n" % n for n in range(1, 200_001))
    assert errors == [b"".join(b"%d\n" % n for n in range(1, 50_001))]


def test_a_client_that_does_not_read_stops_the_command(box: Box) -> None:
    with box.connect() as client:
        channel = box.open_session(client)
        channel.exec_command("head -c 50000000 /dev/zero; echo done > finished")
        time.sleep(1.0)
        assert not (box.home / "finished").exists()
        assert box.run("echo meanwhile")[1] == b"meanwhile\n"
        total = 0
        while data := channel.recv(1 << 20):
            total += len(data)
    assert total == 50_000_000
    assert wait_until((box.home / "finished").exists)
    (box.home / "finished").unlink()


def test_a_command_that_does_not_read_stops_the_client(box: Box) -> None:
    with box.connect() as client:
        channel = box.open_session(client)
        channel.exec_command("echo $$ > deaf; exec sleep 60")
        channel.settimeout(1.0)
        sent = 0
        try:
            while sent < 8_000_000:
                sent += channel.send(b"x" * 32768)
        except TimeoutError:
            pass
        os.kill(pid_in(box.home / "deaf"), signal.SIGKILL)
        assert sent < 8_000_000  # a window and a pipe, not everything there is


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
def test_memory_stays_flat_and_the_rate_is_good(builtin: Box) -> None:
    def peak() -> int:
        text = Path(f"/proc/{builtin.server.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0])

    builtin.run("true")
    before = peak()
    began = time.monotonic()
    with builtin.connect() as client:
        channel = builtin.open_session(client)
        channel.exec_command("head -c 50000000 /dev/zero")
        total = 0
        while data := channel.recv(1 << 20):
            total += len(data)
    assert total == 50_000_000
    assert time.monotonic() - began < 10  # about half a second on an idle machine
    assert peak() - before < 10_000, "kB more than before"


# ------------------------------------------------------------------ channels and connections


def test_several_commands_on_one_connection(box: Box) -> None:
    with box.connect() as client:
        channels = [box.open_session(client) for _ in range(8)]
        for number, channel in enumerate(channels):
            # Each waits for a file that the last one makes: they must run at the same time.
            wait = "while [ ! -e go ]; do sleep 0.02; done" if number < 7 else "touch go"
            channel.exec_command(f"{wait}; echo {number}")
        answers = [channel.makefile("rb").read() for channel in channels]
    assert answers == [b"%d\n" % number for number in range(8)]
    (box.home / "go").unlink()


def test_several_connections_at_a_time(box: Box) -> None:
    results: list[tuple[int, bytes, bytes]] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(box.run(f"sleep 0.2; echo {n}")))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(output for _, output, _ in results) == [b"%d\n" % n for n in range(6)]


def test_many_quick_commands_all_tell_their_end(box: Box) -> None:
    with box.connect() as client:
        for number in range(100):
            channel = box.open_session(client)
            channel.exec_command(f"exit {number % 50}")
            assert channel.recv_exit_status() == number % 50
            channel.close()


def test_the_exit_status_does_not_wait_for_a_child_that_holds_the_output(box: Box) -> None:
    with box.connect() as client:
        channel = box.open_session(client)
        began = time.monotonic()
        channel.exec_command("(sleep 2; echo late) & echo early; exit 5")
        assert channel.recv_exit_status() == 5
        assert time.monotonic() - began < 1.5
        assert channel.makefile("rb").read() == b"early\nlate\n"


def test_a_keepalive_is_answered(box: Box) -> None:
    with box.connect() as client:
        transport = client.get_transport()
        assert transport is not None
        began = time.monotonic()
        # OpenSSH answers with a refusal, which Paramiko gives back as None: it is an answer.
        assert transport.global_request("keepalive@openssh.com", wait=True) is None
        assert time.monotonic() - began < 2
        assert transport.is_active()


# ------------------------------------------------------------------ dropped connections


@contextmanager
def running(box: Box, command: str, pid_file: str) -> Iterator[tuple[paramiko.SSHClient, int]]:
    """Run a command whose first act is to write its pid, and kill it in the end."""
    (box.home / pid_file).unlink(missing_ok=True)
    client = box.connect()
    channel = box.open_session(client)
    channel.exec_command(f"echo $$ > {pid_file}; {command}")
    pid = pid_in(box.home / pid_file)
    try:
        yield client, pid
    finally:
        client.close()
        if not ended(pid):
            os.kill(pid, signal.SIGKILL)


def drop(client: paramiko.SSHClient) -> None:
    """Close the socket under the connection, without a word of SSH."""
    transport = client.get_transport()
    assert transport is not None
    assert isinstance(transport.sock, socket.socket)
    transport.sock.shutdown(socket.SHUT_RDWR)


def test_a_command_that_writes_dies_when_the_connection_drops(box: Box) -> None:
    with running(box, "while :; do echo x; sleep 0.05; done", "writes") as (client, pid):
        drop(client)
        assert wait_until(lambda: ended(pid))


def test_a_silent_command_lives_on_when_the_connection_drops(box: Box) -> None:
    with running(box, "exec sleep 60 < /dev/null", "silent") as (client, pid):
        drop(client)
        time.sleep(1.0)
        assert not ended(pid)


def test_a_command_that_reads_sees_the_end_when_the_connection_drops(box: Box) -> None:
    with running(box, "cat > /dev/null; echo over > over; exec sleep 60", "reads") as (client, _):
        assert not (box.home / "over").exists()
        drop(client)
        assert wait_until((box.home / "over").exists)
        (box.home / "over").unlink()


def test_a_command_is_cut_off_when_only_its_channel_is_closed(box: Box) -> None:
    with box.connect() as client:
        channel = box.open_session(client)
        channel.exec_command("echo $$ > closed; while :; do echo x; sleep 0.05; done")
        pid = pid_in(box.home / "closed")
        channel.shutdown_write()
        channel.close()
        assert wait_until(lambda: ended(pid))
        other = box.open_session(client)
        other.exec_command("echo still here")
        assert other.makefile("rb").read() == b"still here\n"


def test_a_detached_command_outlives_its_session(box: Box) -> None:
    status, _, _ = box.run(
        "setsid sh -c 'echo $$ > detached; exec sleep 60' > /dev/null 2>&1 < /dev/null &"
    )
    assert status == 0
    pid = pid_in(box.home / "detached")
    time.sleep(0.3)
    assert not ended(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
def test_dropped_connections_leave_no_descriptors_and_threads(builtin: Box) -> None:
    process = Path(f"/proc/{builtin.server.pid}")

    def held() -> tuple[int, int]:
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))

    builtin.run("true")
    assert wait_until(lambda: held() == held())
    time.sleep(1.0)
    before = held()
    for _ in range(5):
        with builtin.connect() as client:
            channel = builtin.open_session(client)
            channel.exec_command("while :; do echo x; done")
            channel.recv(10)
            drop(client)
    assert wait_until(lambda: held() == before), f"{held()} after, {before} before"


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
def test_a_silent_command_without_input_loses_its_pipes_and_nothing_else(builtin: Box) -> None:
    def held() -> int:
        return len(list(Path(f"/proc/{builtin.server.pid}/fd").iterdir()))

    builtin.run("true")
    time.sleep(1.0)
    before = held()
    client = builtin.connect()
    channel = builtin.open_session(client)
    channel.exec_command("echo $$ > quiet; exec sleep 60")
    channel.shutdown_write()
    pid = pid_in(builtin.home / "quiet")
    assert held() > before
    drop(client)
    assert wait_until(lambda: held() == before)
    assert not ended(pid)
    os.kill(pid, signal.SIGKILL)
    client.close()


# ------------------------------------------------------------------ who is let in


def other_key(directory: Path) -> Path:
    file = directory / "other"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return file


def test_another_key_is_refused(box: Box, tmp_path: Path) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        box.connect(key=other_key(tmp_path))


def test_another_user_is_refused(box: Box) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        box.connect(user="nobody-here")


def test_passwords_are_not_offered(box: Box) -> None:
    with closing(paramiko.Transport(("127.0.0.1", box.server.port))) as transport:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.BadAuthenticationType) as caught:
            transport.auth_none(box.server.user)
        assert caught.value.allowed_types == ["publickey"]


def test_it_listens_on_the_loopback_only(box: Box) -> None:
    hosts = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None)}
    for host in hosts - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError):  # noqa: PT011 - refused, or no route
            socket.create_connection((host, box.server.port), timeout=2)


# ------------------------------------------------------------------ forwarding


@contextmanager
def echo_server() -> Iterator[int]:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.sendall(b"END")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def test_it_forwards_to_the_loopback_with_half_close(box: Box) -> None:
    data = os.urandom(1_000_000)
    with echo_server() as port, box.connect() as client:
        transport = client.get_transport()
        assert transport is not None
        channel = transport.open_channel("direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0))
        channel.settimeout(20)
        feeder = threading.Thread(target=Box._feed, args=(channel, data))
        feeder.start()
        received = channel.makefile("rb").read()
        feeder.join()
    assert received == data + b"END"


def test_a_target_that_ends_first_can_still_be_written_to(box: Box) -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, box.connect() as client:
        transport = client.get_transport()
        assert transport is not None
        address = ("127.0.0.1", listener.getsockname()[1])
        channel = transport.open_channel("direct-tcpip", address, ("127.0.0.1", 0))
        channel.settimeout(10)
        target, _ = listener.accept()
        with target:
            target.settimeout(10)
            target.sendall(b"all I say")
            target.shutdown(socket.SHUT_WR)
            assert channel.makefile("rb").read() == b"all I say"
            channel.sendall(b"understood")
            channel.shutdown_write()
            while data := target.recv(100):
                received.append(data)
    assert b"".join(received) == b"understood"


def test_forwarding_to_a_closed_port_is_refused(box: Box) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with box.connect() as client:
        transport = client.get_transport()
        assert transport is not None
        with pytest.raises(paramiko.ChannelException) as caught:
            transport.open_channel("direct-tcpip", ("127.0.0.1", port), ("127.0.0.1", 0))
        assert caught.value.code == 2  # connect failed


def test_forwarding_elsewhere_is_prohibited(builtin: Box) -> None:
    with builtin.connect() as client:
        transport = client.get_transport()
        assert transport is not None
        with pytest.raises(paramiko.ChannelException) as caught:
            transport.open_channel("direct-tcpip", ("192.0.2.1", 22), ("127.0.0.1", 0))
        assert caught.value.code == 1  # administratively prohibited


def test_it_can_be_a_jump_host(box: Box, tmp_path: Path) -> None:
    config = tmp_path / "config"
    own = (box.root / "ssh_config").read_text()
    config.write_text(own + own.replace("Host sandbox", "Host behind") + "    ProxyJump sandbox\n")
    shown = subprocess.run(
        ["ssh", "-F", str(config), "behind", "seq 1 100000 | tail -n 1; echo $SSH_CONNECTION"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("100000\n127.0.0.1 ")


# ------------------------------------------------------------------ the files


def test_secrets_are_private_and_the_configuration_is_read_by_both_clients(box: Box) -> None:
    directory = box.root / "ssh"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("id_ed25519", "host_ed25519", "known_hosts"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    for file in directory.iterdir():
        if CANARY in file.read_text() or "\\u00fc" in file.read_text():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    found: dict[str, Any] = paramiko.SSHConfig.from_path(str(box.root / "ssh_config")).lookup(
        "sandbox"
    )
    assert found["identityfile"] == [str(directory / "id_ed25519")]
    assert found["userknownhostsfile"] == str(directory / "known_hosts")
    assert (found["hostname"], found["port"]) == ("127.0.0.1", str(box.server.port))
    shown = subprocess.run(
        ["ssh", "-F", str(box.root / "ssh_config"), "-o", "BatchMode=yes", "sandbox", "pwd"],
        capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert (shown.returncode, shown.stdout) == (0, f"{box.home}\n")


def test_the_environment_is_not_in_any_command_line(box: Box) -> None:
    command = Path(f"/proc/{box.server.pid}/cmdline")
    if command.exists():
        assert CANARY.encode() not in command.read_bytes()


def test_each_start_makes_fresh_keys(box: Box, builtin: Box) -> None:
    for name in ("id_ed25519.pub", "host_ed25519.pub"):
        assert (box.root / "ssh" / name).read_text() != (builtin.root / "ssh" / name).read_text()


# ------------------------------------------------------------------ starting and stopping


@pytest.mark.parametrize("kind", KINDS)
def test_stop_ends_the_server_its_connections_and_their_commands(
    tmp_path: Path, kind: ssh.Kind
) -> None:
    with started(tmp_path, kind) as box:
        with running(box, "exec sleep 60", "left") as (client, pid):
            assert ssh.is_running(box.server)
            ssh.stop(box.server)
            assert not ssh.is_running(box.server)
            assert ended(pid)
            transport = client.get_transport()
            assert transport is not None
            assert wait_until(lambda: not transport.is_active())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", box.server.port), timeout=5)
        ssh.stop(box.server)


def test_stop_leaves_another_process_with_the_same_pid_alone(builtin: Box) -> None:
    ssh.stop(replace(builtin.server, started="another time"))
    assert builtin.run("echo here")[1] == b"here\n"


def test_the_builtin_server_ends_cleanly_on_sigterm(builtin: Box) -> None:
    process = ssh._children[builtin.server.pid]
    with builtin.connect():
        os.kill(builtin.server.pid, signal.SIGTERM)
        assert process.wait(timeout=5) == 0
    assert "Traceback" not in (builtin.root / "ssh" / "server.log").read_text()


def test_a_process_that_ended_has_no_start_time() -> None:
    process = subprocess.Popen(["sleep", "60"])
    first = ssh.started_at(process.pid)
    assert first
    assert ssh.started_at(process.pid) == first
    process.kill()
    assert wait_until(lambda: ssh.started_at(process.pid) is None)  # a zombie has ended, too
    process.wait()
    assert ssh.started_at(process.pid) is None


def test_auto_takes_the_builtin_server_where_there_is_no_sshd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "find_sshd", lambda: None)
    with started(tmp_path, "auto") as box:
        assert box.server.kind == "builtin"
        assert box.run("echo hi")[1] == b"hi\n"


def fake_sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = tmp_path / "sshd"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o700)
    monkeypatch.setattr(ssh, "find_sshd", lambda: file)
    made = tmp_path / "run-sshd"
    monkeypatch.setattr(ssh, "_PRIVILEGE_SEPARATION", made)


def test_auto_takes_the_builtin_server_where_sshd_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sshd(tmp_path, monkeypatch, "echo 'no luck today' >&2; exit 255")
    with started(tmp_path, "auto") as box:
        assert box.server.kind == "builtin"
        assert any("no luck today" in line and "builtin" in line for line in box.said)
        assert box.run("echo hi")[1] == b"hi\n"


def test_a_server_that_does_not_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sshd(tmp_path, monkeypatch, "exit 255")
    before = set(ssh._children)
    with pytest.raises(StepFailed, match="sshd does not work here") as caught:
        ssh.start(tmp_path, kind="openssh", home=tmp_path, environment={}, say=lambda _: None)
    assert caught.value.hint
    assert not (tmp_path / "ssh").exists()
    assert not (tmp_path / "ssh_config").exists()
    assert set(ssh._children) == before


def test_a_server_that_never_answers_is_given_up_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sshd(tmp_path, monkeypatch, f'[ "$1" = -t ] || echo $$ > {tmp_path}/pid; exec sleep 60')
    monkeypatch.setattr(ssh, "_READY_WITHIN", 0.5)
    monkeypatch.setattr(ssh, "_accepts", lambda *_: True)
    with pytest.raises(StepFailed, match="sshd does not work here"):
        ssh.start(tmp_path, kind="openssh", home=tmp_path, environment={}, say=lambda _: None)
    assert ended(pid_in(tmp_path / "pid"))


def test_a_server_is_ended_when_its_files_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    before = set(ssh._children)
    monkeypatch.setattr(ssh, "_write_client_files", full)
    with pytest.raises(OSError, match="no space"):
        ssh.start(tmp_path, kind="builtin", home=tmp_path, environment={}, say=lambda _: None)
    assert list(tmp_path.iterdir()) == []
    assert set(ssh._children) == before


def test_openssh_without_an_sshd_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "find_sshd", lambda: None)
    with pytest.raises(UsageError, match="no sshd") as caught:
        ssh.start(tmp_path, kind="openssh", home=tmp_path, environment={}, say=lambda _: None)
    assert "builtin" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["50%", 'a"b', "back\\slash", "new\nline", "${HOME}"])
def test_a_directory_that_no_configuration_can_name_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    with pytest.raises(UsageError, match="cannot hold the path"):
        ssh.start(root, kind="builtin", home=root, environment={}, say=lambda _: None)
    assert list(root.iterdir()) == []


def test_a_second_server_in_the_same_place_is_refused(builtin: Box) -> None:
    with pytest.raises(UsageError, match="exists already"):
        ssh.start(
            builtin.root, kind="builtin", home=builtin.home, environment={}, say=lambda _: None
        )
    assert builtin.run("echo here")[1] == b"here\n"


def test_a_variable_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not an environment variable"):
        ssh.start(
            tmp_path, kind="builtin", home=tmp_path, environment={"A B": "1"}, say=lambda _: None
        )


# ------------------------------------------------------------------ OpenSSH's server


@pytest.mark.host
def test_auto_takes_the_machines_sshd(tmp_path: Path) -> None:
    with started(tmp_path, "auto") as box:
        assert box.server.kind == "openssh"


@pytest.mark.host
def test_the_privilege_separation_directory_is_made_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "run-sshd"
    monkeypatch.setattr(ssh, "_PRIVILEGE_SEPARATION", missing)
    with started(tmp_path, "openssh") as box:
        assert missing.is_dir() == (os.geteuid() == 0)
        assert any(str(missing) in line for line in box.said) == (os.geteuid() == 0)


@pytest.fixture
def ordinary_user() -> Iterator[str]:
    name = f"ops-test-{os.getpid()}"
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
    yield name
    subprocess.run(["userdel", "--remove", "--force", name], check=True, capture_output=True)


@pytest.mark.host
@pytest.mark.skipif(os.geteuid() != 0, reason="makes a user")
def test_sshd_serves_an_ordinary_user(ordinary_user: str) -> None:
    home = Path(pwd.getpwnam(ordinary_user).pw_dir)
    # It becomes that user when everything is imported: root's Python may lie where others cannot
    # read it, which is no matter of the server's.
    program = (
        "import codecs, os, pwd, subprocess, sys\n"
        "from pathlib import Path; from ops.sandbox import ssh\n"
        "for name in ('ascii', 'idna', 'utf-8', 'latin-1'): codecs.lookup(name)\n"
        "user = pwd.getpwnam(sys.argv[1])\n"
        "os.initgroups(user.pw_name, user.pw_gid); os.setgid(user.pw_gid); os.setuid(user.pw_uid)\n"
        "root = Path(user.pw_dir, 'box'); (root / 'host').mkdir(parents=True)\n"
        "s = ssh.start(root, kind='openssh', home=root / 'host', environment={'A': 'b c'},"
        " say=print)\n"
        "try: subprocess.run(['ssh', '-F', root / 'ssh_config', 'sandbox',"
        " 'pwd; echo $HOME $A $USER $PATH; id -un'], check=True)\n"
        "finally: ssh.stop(s)\n"
    )
    source = Path(ssh.__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", program, ordinary_user],
        capture_output=True, text=True, check=False, timeout=60, cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(source)},
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    host = home / "box" / "host"
    assert shown.stdout.splitlines() == [
        str(host), f"{host} b c {ordinary_user} /usr/local/bin:/usr/bin:/bin", ordinary_user,
    ]  # fmt: skip


def test_the_session_script_is_clean_for_shellcheck(tmp_path: Path) -> None:
    script = ssh.session_script({"HOME": "/home/x y", "CANARY": CANARY, "PATH": "/bin"})
    checked = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), "-"],
        input=script, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
