"""Connecting to real SSH servers: whom we talk to, as whom, and one line for each failure."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import paramiko
import pytest

from ops.errors import (
    ConnectionLost,
    ExitCode,
    HostKeyRefused,
    InventoryError,
    OpsError,
    Unreachable,
)
from ops.host import connection
from ops.host.connection import Address, Connection
from ops.host.heartbeat import Pulse
from ops.host.script import Script
from ops.host.ssh import SshHost
from tests.proxy import CutProxy
from tests.remote import (
    Remote,
    agent,
    answering,
    black_hole,
    encrypted,
    free_port,
    make_key,
    remote,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = Pulse(60, 60)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("box") / "r") as one:
        yield one


@pytest.fixture(scope="module")
def jump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote(tmp_path_factory.mktemp("jump") / "r") as one:
        yield one


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.0)


def connect(address: Address) -> None:
    """Connect, run something, and leave no thread and no socket."""
    before = set(threading.enumerate())
    host = SshHost(address, Pulse(0.1, 1.0))
    try:
        host.connect()
        assert host.run(Script("echo here\n")).checked("saying so") == b"here\n"
    finally:
        host.close()
        wait_until(lambda: not {t for t in threading.enumerate() if t.is_alive()} - before)
        del host
        gc.collect()


def refused(address: Address) -> OpsError:
    with pytest.raises(OpsError) as raised:
        connect(address)
    error = raised.value
    assert error.message
    assert "\n" not in error.message + error.hint
    assert error.hint
    return error


# ------------------------------------------------------------------ whom we talk to


def test_a_known_key(box: Remote) -> None:
    connect(box.address())


def test_an_unknown_key(box: Remote) -> None:
    error = refused(box.address("UserKnownHostsFile /nonexistent"))
    assert isinstance(error, HostKeyRefused)
    assert error.exit_code is ExitCode.UNREACHABLE
    name = f"[127.0.0.1]:{box.server.port}"
    assert error.message == (
        f"{name}: the host key is unknown: known_hosts has none, "
        f"got {box.fingerprint} (ssh-ed25519)"
    )
    assert f'environments.prod.hosts[0].host_key: "{box.fingerprint}"' in error.hint
    assert f"echo '{name} {box.host_key}' >> /nonexistent" in error.hint


def test_a_changed_key(box: Remote, jump: Remote, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(f"[127.0.0.1]:{box.server.port} {jump.host_key}\n")
    error = refused(box.address(f"UserKnownHostsFile {known}"))
    assert isinstance(error, HostKeyRefused)
    assert "CHANGED" in error.message
    assert jump.fingerprint in error.message
    assert box.fingerprint in error.message
    assert "ssh-keygen -R" in error.hint


def test_the_pin_that_is_shown_lets_the_host_in(box: Remote) -> None:
    nothing_known = "UserKnownHostsFile /nonexistent"
    error = refused(box.address(nothing_known))
    pin = error.hint.split('host_key: "')[1].partition('"')[0]
    connect(box.address(nothing_known, pin=pin))


def test_a_wrong_pin_counts_more_than_known_hosts(box: Remote, jump: Remote) -> None:
    error = refused(box.address(pin=jump.fingerprint))
    assert isinstance(error, HostKeyRefused)
    assert f"pinned {jump.fingerprint}, got {box.fingerprint}" in error.message


def test_the_alias_of_a_host_key_is_looked_up_without_a_port(box: Remote, tmp_path: Path) -> None:
    known = tmp_path / "known with space"
    known.write_text(f"database {box.host_key}\n")
    connect(box.address("HostKeyAlias database", f'UserKnownHostsFile "{known}"'))
    error = refused(box.address("HostKeyAlias other", f'UserKnownHostsFile "{known}"'))
    assert error.message.startswith("other: the host key is unknown")


# ------------------------------------------------------------------ jump hosts


def jumping(
    box: Remote, jump: Remote, tmp_path: Path, known: str, *, jump_port: int = 0, port: int = 0
) -> Address:
    file = tmp_path / "known"
    file.write_text(known)
    config = tmp_path / "config"
    config.write_text(
        f"Host box\n  Port {port or box.server.port}\n  ProxyJump door\n  IdentityFile {box.key}\n"
        f"Host door\n  Port {jump_port or jump.server.port}\n  IdentityFile {jump.key}\n"
        f"Host *\n  HostName 127.0.0.1\n  User {box.server.user}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {file}\n  ProxyJump door\n"
    )
    return Address("box", ssh_config=config, place="environments.prod.hosts[0]")


def both(box: Remote, jump: Remote) -> str:
    return "".join(f"[127.0.0.1]:{each.server.port} {each.host_key}\n" for each in (box, jump))


def test_by_way_of_a_jump_host(box: Remote, jump: Remote, tmp_path: Path) -> None:
    connect(jumping(box, jump, tmp_path, both(box, jump)))


def test_a_jump_host_is_checked_as_strictly(box: Remote, jump: Remote, tmp_path: Path) -> None:
    error = refused(jumping(box, jump, tmp_path, both(box, box)))
    assert isinstance(error, HostKeyRefused)
    assert error.message.startswith(f"[127.0.0.1]:{jump.server.port}: the host key is unknown")
    # What stands in no inventory can be pinned in known_hosts only.
    assert "host_key" not in error.hint
    assert f"echo '[127.0.0.1]:{jump.server.port} {jump.host_key}' >> {tmp_path}" in error.hint
    changed = f"[127.0.0.1]:{jump.server.port} {box.host_key}\n"
    assert "CHANGED" in refused(jumping(box, jump, tmp_path, both(box, box) + changed)).message


def test_behind_a_good_jump_host_the_host_is_checked(
    box: Remote, jump: Remote, tmp_path: Path
) -> None:
    error = refused(jumping(box, jump, tmp_path, both(jump, jump)))
    assert error.message.startswith(f"[127.0.0.1]:{box.server.port}: the host key is unknown")


def test_a_jump_host_that_is_not_there(box: Remote, jump: Remote, tmp_path: Path) -> None:
    port = free_port()
    error = refused(jumping(box, jump, tmp_path, "", jump_port=port))
    assert error.message.startswith(f"127.0.0.1:{port}: connection refused")
    assert "ProxyJump for box" in error.hint


def test_a_host_that_the_jump_host_cannot_reach(box: Remote, jump: Remote, tmp_path: Path) -> None:
    port = free_port()
    error = refused(jumping(box, jump, tmp_path, both(box, jump), port=port))
    assert f"127.0.0.1:{port}: the jump host " in error.message
    assert "cannot reach it" in error.message


@pytest.mark.usefixtures("impatient")
def test_a_jump_host_that_gets_no_answer(box: Remote, jump: Remote, tmp_path: Path) -> None:
    with black_hole() as port:
        error = refused(jumping(box, jump, tmp_path, both(box, jump), port=port))
    assert "no answer within 1 s through the jump host" in error.message


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("Host a\n ProxyJump b\nHost b\n ProxyJump a\n", "ProxyJump goes round in a circle"),
        ("Host a\n ProxyCommand nc %h %p\n", "uses ProxyCommand"),
        ("Host a\n Port many\n", "invalid literal"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, config: str, said: str) -> None:
    file = tmp_path / "config"
    file.write_text(config)
    with pytest.raises(InventoryError, match=said) as error:
        Connection(Address("a", ssh_config=file, place="environments.x.hosts[0]"))
    assert error.value.message.startswith(("environments.x.hosts[0]", "ProxyJump for a"))


@pytest.mark.parametrize("words", ["ProxyCommand none", "ProxyJump NONE", "ForwardAgent Yes"])
def test_words_of_the_configuration_that_fabric_cannot_read(box: Remote, words: str) -> None:
    connect(box.address(words))


@pytest.mark.parametrize("content", ["Host a\n ProxyJump\n", "Host \xff\n", None])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(InventoryError, match="config"):
        Connection(Address("a", ssh_config=file))


def test_without_a_named_file_the_home_directory_counts(
    box: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".ssh").mkdir()
    shutil.copy(box.config(), tmp_path / ".ssh" / "config")
    monkeypatch.setenv("HOME", str(tmp_path))
    connect(Address("box"))


# ------------------------------------------------------------------ as whom


def test_a_wrong_user(box: Remote) -> None:
    error = refused(replace(box.address(), user="nobody-here"))
    assert error.exit_code is ExitCode.UNREACHABLE
    assert error.message == (
        f"127.0.0.1:{box.server.port}: login refused for user nobody-here, with 1 key"
    )


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_wrong_key(box: Remote, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "key", kind)
    error = refused(box.address(f"IdentityFile {key}", "IdentitiesOnly yes"))
    assert "login refused for user" in error.message


def test_no_key(box: Remote, tmp_path: Path) -> None:
    error = refused(box.address(f"IdentityFile {tmp_path}/none"))
    assert "there is no key to log in with" in error.message


def test_a_key_that_is_none(box: Remote, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nrubbish\n")
    error = refused(box.address(f"IdentityFile {tmp_path}/key"))
    assert f"there is no key to log in with ({tmp_path}/key: " in error.message


def test_an_encrypted_key_without_an_agent(box: Remote, tmp_path: Path) -> None:
    key = encrypted(box.key, tmp_path / "locked")
    error = refused(box.address(f"IdentityFile {key}"))
    assert "the key is encrypted and no agent holds it" in error.message
    assert error.hint == f"run: ssh-add {key}"


def test_a_default_key_is_found_without_configuration(
    box: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    shutil.copy(box.key, tmp_path / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(tmp_path))
    config = box.config()
    text = "\n".join(line for line in config.read_text().split("\n") if "Identit" not in line)
    config.write_text(text)
    connect(Address("box", ssh_config=config))


def test_an_encrypted_key_that_the_agent_holds(
    box: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = encrypted(box.key, tmp_path / "locked")
    shutil.copy(f"{box.key}.pub", f"{locked}.pub")
    with agent(tmp_path, box.key) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        connect(box.address(f"IdentityFile {locked}", "IdentitiesOnly yes"))
        connect(box.address(f"IdentityFile {tmp_path}/none", "IdentitiesOnly no"))
        connect(box.address(f"IdentityFile {box.key}.pub", "IdentitiesOnly yes"))
        monkeypatch.delenv("SSH_AUTH_SOCK")
        connect(box.address(f"IdentityFile {locked}", f"IdentityAgent {sock}"))


def test_identities_only_keeps_the_other_keys_of_the_agent_back(
    box: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = make_key(tmp_path / "configured")
    with agent(tmp_path, configured, box.key) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        error = refused(box.address(f"IdentityFile {configured}", "IdentitiesOnly Yes"))
        assert "with 1 key" in error.message  # offered once, though agent and file have it
        connect(box.address(f"IdentityFile {configured}", "IdentitiesOnly no"))
        # Every configured key is offered, not the first in the agent only.
        connect(
            box.address(
                f"IdentityFile {configured}", f"IdentityFile {box.key}", "IdentitiesOnly yes"
            )
        )


def test_a_configured_key_that_the_agent_does_not_hold(
    box: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_key(tmp_path / "other")
    with agent(tmp_path, other) as sock:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
        connect(box.address(f"IdentityFile {other}", f"IdentityFile {box.key}"))


def test_an_agent_that_does_not_answer_is_not_waited_for(
    box: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.host import identities

    monkeypatch.setattr(identities, "_AGENT_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "sock"))
        silent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "sock"))
        connect(box.address())


# ------------------------------------------------------------------ no host


def test_a_refused_port(box: Remote) -> None:
    port = free_port()
    error = refused(box.address(port=port))
    assert error.message == f"127.0.0.1:{port}: connection refused: nothing listens there"
    assert "environments.prod.hosts[0]" in error.hint
    assert error.exit_code is ExitCode.UNREACHABLE


def test_no_such_host(box: Remote) -> None:
    error = refused(box.address("HostName no-such-host.invalid"))
    assert error.message.startswith("no-such-host.invalid: no such host")


def test_no_route(box: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect_to(self: socket.socket, address: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket.socket, "connect", connect_to)
    error = refused(box.address())
    assert error.message.endswith(": no SSH connection: No route to host")


@pytest.mark.usefixtures("impatient")
def test_a_name_server_that_does_not_answer(box: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.5))
    error = refused(box.address())
    assert error.message == "127.0.0.1: no name server answers within 1 s"


@pytest.mark.usefixtures("impatient")
def test_a_black_hole(box: Remote) -> None:
    with black_hole() as port:
        began = time.monotonic()
        error = refused(box.address(port=port))
    assert error.message == f"127.0.0.1:{port}: no answer within 1 s"
    assert time.monotonic() - began < 2.5


@pytest.mark.usefixtures("impatient")
def test_two_addresses_that_are_black_holes_share_the_time(
    box: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: real(*a, **k) * 3)
    with black_hole() as port:
        began = time.monotonic()
        refused(box.address(port=port))
    assert time.monotonic() - began < 2.5


def test_the_second_address_answers(box: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    port = free_port()
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *a, **k: real("127.0.0.1", port, type=socket.SOCK_STREAM) + real(*a, **k),
    )
    connect(box.address())


@pytest.mark.usefixtures("impatient")
def test_a_banner_that_never_comes(box: Remote) -> None:
    with answering(lambda _: None) as port:
        began = time.monotonic()
        error = refused(box.address(port=port))
    assert error.message == f"127.0.0.1:{port}: no answer within 1 s"
    assert time.monotonic() - began < 2.5


@pytest.mark.usefixtures("impatient")
def test_a_server_that_drips_is_bounded_as_a_whole(box: Remote) -> None:
    def drip(sock: socket.socket) -> None:
        try:
            while True:
                sock.sendall(b"hello\r\n")
                time.sleep(0.3)
        except OSError:
            return

    with answering(drip) as port:
        began = time.monotonic()
        error = refused(box.address(port=port))
    assert "no answer within 1 s" in error.message
    assert time.monotonic() - began < 2.5


def http(sock: socket.socket) -> None:
    sock.recv(100)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    sock.shutdown(socket.SHUT_RDWR)


def hang_up(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)


def old_ssh(sock: socket.socket) -> None:
    sock.sendall(b"SSH-1.5-ancient\r\n")


def chatter(sock: socket.socket) -> None:
    sock.sendall(b"220 mail.example.com ESMTP\r\n" * 200)


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        (http, "what listens there does not answer as an SSH server"),
        (hang_up, "what listens there does not answer as an SSH server"),
        (chatter, "what listens there does not answer as an SSH server"),
        (old_ssh, "no SSH connection: Incompatible version"),
    ],
    ids=["http", "hang up", "chatter", "old ssh"],
)
def test_not_an_ssh_server_of_today(box: Remote, serve: object, said: str) -> None:
    with answering(serve) as port:  # type: ignore[arg-type]
        error = refused(box.address(port=port))
    assert error.message.startswith(f"127.0.0.1:{port}: {said}")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("after", [25, 1000, 1700, 2300])
def test_a_link_that_freezes_while_connecting(box: Remote, after: int) -> None:
    with CutProxy(box.server.port) as proxy:
        ended = threading.Event()

        def freeze() -> None:
            while proxy.passed("to_client") < after and not ended.is_set():
                time.sleep(0.0005)
            proxy.freeze()

        thread = threading.Thread(target=freeze)
        thread.start()
        began = time.monotonic()
        with pytest.raises(Unreachable):
            # It may also freeze just after the login.
            connect(box.address(port=proxy.port))
        ended.set()
        thread.join()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("after", range(1, 2600, 200))
def test_a_link_that_is_cut_while_connecting(box: Remote, after: int) -> None:
    with CutProxy(box.server.port) as proxy:
        proxy.cut_after(after, "to_client")
        error = refused(box.address(port=proxy.port))
    assert isinstance(error, Unreachable)
    assert not isinstance(error, HostKeyRefused)
    assert "login refused" not in error.message


class OneSession(paramiko.ServerInterface):
    """A server that wants passwords too, or gives no sessions."""

    def __init__(self, *, more: bool = False, keys: bool = True) -> None:
        self._more = more
        self._keys = keys

    def get_allowed_auths(self, username: str) -> str:
        if not self._keys:
            return "password"
        return "publickey,keyboard-interactive" if self._more else "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if not self._keys:
            return paramiko.common.AUTH_FAILED
        more = paramiko.common.AUTH_PARTIALLY_SUCCESSFUL
        return more if self._more else paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (OneSession(), "the host refuses one more session: Administratively prohibited"),
        (OneSession(more=True), "the key was taken, but the host also asks for: "),
        (OneSession(keys=False), "the host takes no keys, only: password"),
    ],
    ids=["sessions", "second factor", "passwords only"],
)
def test_a_host_with_other_rules(box: Remote, server: OneSession, said: str) -> None:
    key = paramiko.Ed25519Key.from_private_key_file(str(box.root / "ssh" / "host_ed25519"))
    transports: list[paramiko.Transport] = []

    def serve(sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        transports.append(transport)
        transport.add_server_key(key)
        try:
            transport.start_server(server=server)
        except (paramiko.SSHException, EOFError):
            return

    with answering(serve) as port:
        error = refused(box.address(port=port))
        for transport in transports:
            transport.close()
    assert said in error.message
    assert not isinstance(error, ConnectionLost)


# ------------------------------------------------------------------ the machine's own sshd


@pytest.mark.host
def test_openssh_known_unknown_pinned_and_wrong_user(tmp_path: Path) -> None:
    with remote(tmp_path / "r", "openssh") as real:
        connect(real.address())
        connect(real.address("UserKnownHostsFile /nonexistent", pin=real.fingerprint))
        error = refused(real.address("UserKnownHostsFile /nonexistent"))
        assert real.fingerprint in error.message
        assert "login refused" in refused(replace(real.address(), user="nobody")).message


@pytest.mark.host
@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_openssh_with_keys_of_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with remote(tmp_path / "r", "openssh") as real:
        key = make_key(tmp_path / "key", kind)
        shutil.copy(f"{key}.pub", f"{real.key}.pub")
        connect(real.address(f"IdentityFile {key}"))
        with agent(tmp_path, key) as sock:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
            key.unlink()
            connect(real.address(f"IdentityFile {key}", "IdentitiesOnly yes"))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.host
def test_openssh_with_one_session_only_says_so(tmp_path: Path) -> None:
    with remote(tmp_path / "r", "openssh") as real:
        config = real.root / "ssh" / "sshd_config"
        config.write_text(config.read_text().replace("MaxSessions 100", "MaxSessions 1"))
        os.kill(real.server.pid, 1)  # sshd reads its configuration again
        time.sleep(1)  # it starts itself anew: its old socket may still answer for a moment
        wait_until(lambda: listens(real.server.port))
        with real.host() as host, host.open(Script("read -r _ || :\n", talks=True)):
            with pytest.raises(Unreachable, match="refuses one more session") as error:
                host.run(Script(":\n"))
            assert "MaxSessions" in error.value.hint
