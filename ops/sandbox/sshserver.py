"""The sandbox's own SSH server, for machines that have no `sshd`.

It behaves as OpenSSH's server does where a client can tell the difference: several channels on a
connection, flow control both ways, the exit status as soon as the command ends and the end of the
output when the last holder of the pipes is gone. When a connection drops, the running commands
lose their pipes and get no signal: one that writes dies of SIGPIPE, a silent one lives on.

Started as `python -m ops.sandbox.sshserver --settings FILE --listen-fd N`. One key of one user is
let in. Sessions run without a terminal.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hmac
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_FAILED_UNKNOWN_CHANNEL_TYPE,
    OPEN_SUCCEEDED,
    cMSG_CHANNEL_REQUEST,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger("sandbox.ssh")

CHUNK: Final = 65536
"""Bytes read from a pipe or a channel at a time; a pipe of Linux holds as many."""

_REPLY_WAIT: Final = 1.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SIGNALS_OF_SSH: Final = frozenset(  # RFC 4254, 6.10
    {"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM"}
    | {"USR1", "USR2"}
)


@dataclass(frozen=True)
class Settings:
    """What the server is started with.

    Attributes:
        host_key: Private host key, a file in OpenSSH's format.
        client_key: The one public key that is let in, a file as `id_ed25519.pub`.
        user: The one user name that is let in. Commands run as whoever runs the server.
        home: Where commands start.
        environment: The whole environment of a command, HOME and PATH included.
    """

    host_key: Path
    client_key: Path
    user: str
    home: Path
    environment: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> Settings:
        """Read the settings from the JSON file that `write` made."""
        data = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            host_key=Path(data["host_key"]),
            client_key=Path(data["client_key"]),
            user=data["user"],
            home=Path(data["home"]),
            environment=data["environment"],
        )

    def render(self) -> str:
        """Return the settings as the JSON text that `read` takes."""
        return json.dumps(
            {
                "host_key": str(self.host_key),
                "client_key": str(self.client_key),
                "user": self.user,
                "home": str(self.home),
                "environment": dict(self.environment),
            }
        )


def exit_message(channel: paramiko.Channel, returncode: int) -> paramiko.Message:
    """Return the `exit-status` or `exit-signal` request that tells the end of a command.

    Args:
        channel: The command's channel.
        returncode: As in `subprocess`: negative is the number of the signal that ended it.
    """
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    if returncode >= 0:
        message.add_string("exit-status")
        message.add_boolean(False)  # "want reply"
        message.add_int(returncode)
        return message
    # Real-time signals have no name.
    names = {number.value: number.name.removeprefix("SIG") for number in signal.Signals}
    name = names.get(-returncode, "")
    message.add_string("exit-signal")
    message.add_boolean(False)  # "want reply"
    message.add_string(name if name in _SIGNALS_OF_SSH else "SIG@openssh.com")
    message.add_boolean(False)  # "core dumped"
    message.add_string("")
    message.add_string("")
    return message


class Slot:
    """Hands chunks from one thread to another, one at a time: that is the flow control."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._data: bytes | None = None
        self._closed = False

    def put(self, data: bytes) -> bool:
        """Hand over a chunk when the one before has been taken; return False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._data is None or self._closed)
            if not self._closed:
                self._data = data
            return not self._closed

    def take(self) -> bytes | None:
        """Return the chunk that waits, or None at once when none does."""
        with self._changed:
            data, self._data = self._data, None
            self._changed.notify()
            return data

    def close(self) -> None:
        """Take no more, and free a thread that waits in `put`."""
        with self._changed:
            self._closed = True
            self._changed.notify()


class Session(threading.Thread):
    """One command: its process, and a loop that moves bytes between its pipes and the channel.

    Args:
        transport: The connection. Made in its own thread, while it handles the request.
        channel: The channel that asked for it.
        argv: What to run.
        home: Where it starts.
        environment: Its whole environment.
    """

    def __init__(
        self,
        transport: Transport,
        channel: paramiko.Channel,
        argv: Sequence[bytes],
        home: Path,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(name=f"session-{channel.chanid}", daemon=True)
        self._transport = transport
        self._channel = channel
        self._argv = argv
        self._home = home
        self._environment = environment
        # Nothing is sent before the request has been answered: some clients take an end that
        # comes first for a failure.
        self._replied = transport.after_reply()
        self._wake_read, self._wake_write = os.pipe()
        self._wake_lock = threading.Lock()
        self._wake_open = True
        self._returncode: int | None = None
        self._told = False
        self._selector = selectors.DefaultSelector()
        self._outputs: dict[int, Callable[[bytes], None]] = {}
        self._stdin: IO[bytes] | None = None
        self._backlog = b""
        self._input = Slot()

    def run(self) -> None:
        """Run the command until it has ended and its pipes are empty, or the channel is gone."""
        # A client that wants no reply gets none: then the wait ends by itself.
        self._replied.wait(_REPLY_WAIT)
        try:
            process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=self._home,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            log.warning("a command did not start: %s", error)
            self._refuse(str(error))
            return
        watchers = (lambda: self._wait(process), self._receive)
        for watcher in watchers:
            threading.Thread(target=watcher, daemon=True).start()
        try:
            self._move(process)
        except (OSError, EOFError, paramiko.SSHException) as error:
            # The channel or its connection went away in the middle of a send.
            log.info("channel %d is gone: %s", self._channel.chanid, error)
        finally:
            self._release(process)

    def _refuse(self, reason: str) -> None:
        with contextlib.suppress(OSError, paramiko.SSHException):
            self._channel.sendall_stderr(f"{reason}\n".encode())
            self._channel.send_exit_status(127)
        self._close_wake()
        self._channel.close()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        self._returncode = process.wait()
        self._wake()

    def _receive(self) -> None:
        # Not Channel.fileno() in the selector: closing a channel races with the transport's
        # thread, which then writes to a descriptor that is closed or somebody else's.
        while self._input.put(data := self._channel.recv(CHUNK)):
            self._wake()
            if not data:
                break
        # A server's channel gets no exit status: its event is set only when the channel closes.
        self._channel.status_event.wait()
        self._wake()

    def _wake(self) -> None:
        with self._wake_lock:
            if self._wake_open:
                os.write(self._wake_write, b"w")

    def _close_wake(self) -> None:
        with self._wake_lock:
            self._wake_open = False
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _move(self, process: subprocess.Popen[bytes]) -> None:
        stdin = cast("IO[bytes]", process.stdin)
        os.set_blocking(stdin.fileno(), False)
        self._stdin = stdin
        for pipe, send in (
            (process.stdout, self._channel.sendall),
            (process.stderr, self._channel.sendall_stderr),
        ):
            descriptor = cast("IO[bytes]", pipe).fileno()
            self._outputs[descriptor] = cast("Callable[[bytes], None]", send)
            self._selector.register(descriptor, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        while self._outputs or not self._told:
            for key, _ in self._selector.select():
                self._serve(key.fd)
            if not self._backlog:
                self._take_input()
            if self._channel.closed:
                return
            if self._returncode is not None and not self._told:
                self._tell_end(self._returncode)

    def _serve(self, descriptor: int) -> None:
        if descriptor in self._outputs:
            if data := os.read(descriptor, CHUNK):
                self._outputs[descriptor](data)
            else:
                del self._outputs[descriptor]
                self._selector.unregister(descriptor)
        elif descriptor == self._wake_read:
            os.read(self._wake_read, CHUNK)
        else:
            self._feed()

    def _take_input(self) -> None:
        data = self._input.take()
        if data == b"":
            self._close_stdin()
        elif data is not None and self._stdin is not None:
            self._backlog = data
            self._selector.register(self._stdin.fileno(), selectors.EVENT_WRITE)
            self._feed()
        # Input that nobody takes any more is thrown away, as sshd does.

    def _feed(self) -> None:
        stdin = cast("IO[bytes]", self._stdin)
        try:
            self._backlog = self._backlog[os.write(stdin.fileno(), self._backlog) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._backlog = b""
            self._selector.unregister(stdin.fileno())
            self._close_stdin()
            return
        if not self._backlog:
            self._selector.unregister(stdin.fileno())

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            self._stdin.close()
            self._stdin = None

    def _tell_end(self, returncode: int) -> None:
        self._told = True
        self._transport.send(exit_message(self._channel, returncode))

    def _release(self, process: subprocess.Popen[bytes]) -> None:
        self._selector.close()
        self._input.close()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        self._close_wake()
        self._channel.close()


class Forward:
    """A `direct-tcpip` channel and the socket that it leads to.

    Args:
        channel: The client's end.
        target: The connected socket of the other end.
    """

    def __init__(self, channel: paramiko.Channel, target: socket.socket) -> None:
        self._channel = channel
        self._target = target
        self._lock = threading.Lock()
        self._open_ways = 2

    def start(self) -> None:
        """Start moving bytes both ways, each in a thread of its own."""
        for way in (self._to_target, self._to_channel):
            threading.Thread(target=way, daemon=True).start()

    def _to_target(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._channel.recv(CHUNK):
                self._target.sendall(data)
            self._target.shutdown(socket.SHUT_WR)
        self._way_ended()
        self._channel.status_event.wait()
        with contextlib.suppress(OSError):
            self._target.shutdown(socket.SHUT_RDWR)
        self._target.close()

    def _to_channel(self) -> None:
        with contextlib.suppress(OSError, paramiko.SSHException):
            while data := self._target.recv(CHUNK):
                self._channel.sendall(data)
            self._channel.shutdown_write()
        self._way_ended()

    def _way_ended(self) -> None:
        with self._lock:
            self._open_ways -= 1
            last = self._open_ways == 0
        if last:
            self._channel.close()


class Transport(paramiko.Transport):
    """A server's transport that says when its own thread has sent a reply."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.ends = connection.getpeername(), connection.getsockname()
        self._awaited: list[threading.Event] = []

    def after_reply(self) -> threading.Event:
        """Return an event that is set when the request now being handled has been answered."""
        event = threading.Event()
        self._awaited.append(event)
        return event

    def send(self, message: paramiko.Message) -> None:
        """Send a message that Paramiko has no method for, such as `exit-signal`."""
        self._send_user_message(message)

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if threading.current_thread() is self:
            while self._awaited:
                self._awaited.pop().set()


class Login(paramiko.ServerInterface):
    """What one connection may do: log in with the key, run commands, reach the loopback.

    Args:
        settings: What the server was started with.
        client_key: The one key that is let in.
        transport: The connection.
    """

    def __init__(self, settings: Settings, client_key: paramiko.PKey, transport: Transport) -> None:
        self._settings = settings
        self._client_key = client_key
        self._transport = transport
        self._forwards: dict[int, socket.socket] = {}
        self._channels: list[paramiko.Channel] = []
        client, server = transport.ends
        self._environment = {
            **settings.environment,
            "SSH_CLIENT": f"{client[0]} {client[1]} {server[1]}",
            "SSH_CONNECTION": f"{client[0]} {client[1]} {server[0]} {server[1]}",
        }

    def get_allowed_auths(self, username: str) -> str:
        """Offer public keys only."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Let the one user in with the one key. The signature is checked by Paramiko."""
        known = username == self._settings.user and hmac.compare_digest(
            key.asbytes(), self._client_key.asbytes()
        )
        return AUTH_SUCCESSFUL if known else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Open sessions; `direct-tcpip` has a check of its own."""
        if kind == "session":
            return OPEN_SUCCEEDED
        return OPEN_FAILED_UNKNOWN_CHANNEL_TYPE

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run a command by `/bin/sh -c`."""
        return self._run(channel, [b"/bin/sh", b"-c", command])

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        """Run a shell that reads its commands from standard input."""
        return self._run(channel, [b"/bin/sh"])

    def _run(self, channel: paramiko.Channel, argv: Sequence[bytes]) -> bool:
        home, environment = self._settings.home, self._environment
        Session(self._transport, channel, argv, home, environment).start()
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        """Connect to a port of the loopback, as a jump host does; nowhere else."""
        host, port = destination
        if host not in _LOOPBACK:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            target = socket.create_connection((host, port), timeout=5)
        except OSError as error:
            log.info("cannot forward to port %d: %s", port, error)
            return OPEN_FAILED_CONNECT_FAILED
        target.settimeout(None)
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._forwards[chanid] = target
        return OPEN_SUCCEEDED

    def accept(self, channel: paramiko.Channel) -> None:
        """Start what a new channel was opened for; a session waits for its request."""
        # Paramiko itself holds a channel weakly, and closes one that nobody else holds.
        self._channels = [known for known in self._channels if not known.closed]
        self._channels.append(channel)
        if target := self._forwards.pop(channel.chanid, None):
            Forward(channel, target).start()

    def release(self) -> None:
        """Close what a connection that ended early never used."""
        for target in self._forwards.values():
            target.close()


class Server:
    """The listening server: a thread per connection, until `stop`.

    Args:
        settings: Keys, user, home and environment.
        listener: A socket that listens already.
    """

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._host_key = paramiko.Ed25519Key.from_private_key_file(str(settings.host_key))
        kind, data = settings.client_key.read_text(encoding="ascii").split()[:2]
        self._client_key = paramiko.PKey.from_type_string(kind, base64.b64decode(data))
        self._transports: set[Transport] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Accept connections in a thread of its own."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def stop(self) -> None:
        """Accept no more, and close every connection."""
        # A thread that waits in accept() is woken by a shutdown, not by a close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            transports = list(self._transports)
        for transport in transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                log.info("listening ended: %s", error)
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            transport = Transport(connection)
        except OSError as error:
            log.info("a connection ended early: %s", error)
            connection.close()
            return
        with self._lock:
            self._transports.add(transport)
        try:
            transport.add_server_key(self._host_key)
            login = Login(self._settings, self._client_key, transport)
            transport.start_server(event=threading.Event(), server=login)
            while transport.is_alive():
                # Nothing wakes an accept() whose connection has ended, hence the bound.
                if channel := transport.accept(timeout=0.5):
                    login.accept(channel)
            login.release()
        except (OSError, EOFError, paramiko.SSHException) as error:
            log.info("a connection ended early: %s", error)
        finally:
            transport.close()
            with self._lock:
                self._transports.discard(transport)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return 0 then.

    Args:
        arguments: The words after the program's name; the process's own when None.
    """
    parser = argparse.ArgumentParser(prog="python -m ops.sandbox.sshserver", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="JSON file, see Settings")
    parser.add_argument("--listen-fd", type=int, required=True, help="a listening TCP socket")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("paramiko").setLevel(logging.WARNING)
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: asked_to_stop.set())
    server = Server(Settings.read(options.settings), socket.socket(fileno=options.listen_fd))
    server.start()
    asked_to_stop.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
