"""Starts and ends the sandbox's SSH server: the machine's own `sshd`, or the one written for it.

Both listen on 127.0.0.1 only, let in one fresh key, and give every session the same small world: a
home directory inside the sandbox, the environment that the caller names and the short PATH that a
non-interactive login has on a real host.
"""

from __future__ import annotations

import logging
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ops.errors import StepFailed, UsageError
from ops.sandbox.sshserver import Settings

Kind = Literal["auto", "openssh", "builtin"]
Say = Callable[[str], None]

SESSION_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
"""The PATH of a session. Real hosts give no more to a command that comes over SSH."""

HOST_ALIAS: Final = "sandbox"
"""The name under which <root>/ssh_config knows the server."""

_ADDRESS: Final = "127.0.0.1"
_READY_WITHIN: Final = 15.0
_END_WITHIN: Final = 5.0
_PORT_ATTEMPTS: Final = 3
_SSHD_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/bin")
_PRIVILEGE_SEPARATION: Final = Path("/run/sshd")
_PROC_SELF: Final = Path("/proc/self")
_PROBE_LOG: Final = "ops.sandbox.ssh.probe"


@dataclass(frozen=True)
class SshServer:
    """A running SSH server.

    Attributes:
        pid: The process that listens.
        started: When that process started, as text. The same pid with another text is another
            process.
        port: TCP port on 127.0.0.1.
        kind: `openssh` or `builtin`.
        user: The user name to log in with.
    """

    pid: int
    started: str
    port: int
    kind: str
    user: str


def find_sshd() -> Path | None:
    """Return the absolute path of the machine's `sshd`, or None where there is none."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *_SSHD_PLACES])
    found = shutil.which("sshd", path=search)
    return Path(found).absolute() if found else None


def start(
    root: Path, *, kind: Kind, home: Path, environment: Mapping[str, str], say: Say
) -> SshServer:
    """Start an SSH server for the sandbox, and return once a login to it has worked.

    Writes `<root>/ssh_config` and the directory `<root>/ssh` (0700) with the keys, `known_hosts`
    and the server's log.

    Args:
        root: The sandbox's directory. It exists.
        kind: `openssh`, `builtin`, or `auto`: the machine's sshd where it works, else the builtin.
        home: HOME and working directory of every session. It exists.
        environment: What sessions get besides HOME, PATH, USER, LOGNAME and SHELL.
        say: Gets one line for each thing worth knowing.

    Raises:
        UsageError: `openssh` was asked for and there is no sshd, or a path cannot be written in
            OpenSSH's configuration.
        StepFailed: The server did not start, or does not let the key in. Nothing of it is left.
    """
    root, home = root.absolute(), home.absolute()
    _check_paths(root, home)
    _check_names(environment)
    sshd = find_sshd()
    if kind == "openssh" and sshd is None:
        raise UsageError(
            "there is no sshd on this machine", "install openssh-server, or use --ssh builtin"
        )
    place = _Place(root, home, _current_user(), environment)
    if kind == "builtin":
        return _start_in(place, lambda: _start_builtin(place))
    if sshd is not None:
        try:
            return _start_in(place, lambda: _start_openssh(place, sshd, say))
        except StepFailed as error:
            if kind == "openssh":
                raise
            say(f"{error.message}; using the builtin SSH server instead")
    return _start_in(place, lambda: _start_builtin(place))


def stop(server: SshServer) -> None:
    """End a server with its connections and the commands that run in them.

    Harmless when it has ended already. A command that has cut itself loose (`setsid` and a parent
    that is gone) is not found here and goes on, as it does when a host's sshd is restarted.

    Raises:
        StepFailed: A process does not even end on SIGKILL.
    """
    if not is_running(server):
        return
    family = {pid: started_at(pid) for pid in (server.pid, *_descendants(server.pid))}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid, started in family.items():
            if started is not None and started_at(pid) == started:
                _signal(pid, number)
        deadline = time.monotonic() + _END_WITHIN
        while time.monotonic() < deadline:
            if all(
                started is None or started_at(pid) != started for pid, started in family.items()
            ):
                _reap(server.pid)
                return
            time.sleep(0.02)
    raise StepFailed(
        f"the SSH server (pid {server.pid}) does not end", f"look at it: ps -fp {server.pid}"
    )


def is_running(server: SshServer) -> bool:
    """Tell whether the server's process is still there, and is not another with the same pid."""
    _reap(server.pid)
    return started_at(server.pid) == server.started


def started_at(pid: int) -> str | None:
    """Return when a process started, as text that no later process with this pid has.

    Returns:
        The text, or None when the process has ended (also when nobody has reaped it yet).
    """
    if _PROC_SELF.exists():
        fields = _stat_fields(_PROC_SELF.with_name(str(pid)) / "stat")
        # Field 22 counts clock ticks since the machine started.
        return None if fields is None or fields[0] in "ZX" else f"{_boot_id()}:{fields[19]}"
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    state, _, started = shown.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


# --------------------------------------------------------------------------- what is written


@dataclass(frozen=True)
class _Place:
    """Where the server's files lie, and what its sessions get."""

    root: Path
    home: Path
    user: str
    environment: Mapping[str, str]

    @property
    def directory(self) -> Path:
        return self.root / "ssh"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def host_key(self) -> Path:
        return self.directory / "host_ed25519"

    @property
    def client_key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def client_config(self) -> Path:
        return self.root / "ssh_config"

    def session_environment(self) -> dict[str, str]:
        return {
            **self.environment,
            "HOME": str(self.home),
            "PATH": SESSION_PATH,
            "USER": self.user,
            "LOGNAME": self.user,
            "SHELL": "/bin/sh",
        }


def _public(private_key: Path) -> Path:
    return private_key.with_name(f"{private_key.name}.pub")


def _check_paths(*paths: Path) -> None:
    # OpenSSH expands % and ${}, and reads quotes and backslashes; Paramiko reads % otherwise.
    for path in paths:
        if found := re.search(r'[%"\\\x00-\x1f\x7f]|\$\{', str(path)):
            raise UsageError(
                f"an SSH configuration cannot hold the path {str(path)!r}"
                f" because of {found.group()!r}",
                "use a directory with a plainer name",
            )


def _check_names(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            raise ValueError(f"not an environment variable: {name!r}")


def _current_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container's made-up uid. sshd cannot serve it; the builtin server takes any name.
        return HOST_ALIAS


def _write_private(file: Path, text: str, mode: int = 0o600) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, mode)
        stream.write(text)


def _make_key(file: Path, comment: str) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    _write_private(file, private.decode("ascii"))
    _write_private(_public(file), f"{public.decode('ascii')} {comment}\n")


def _write_client_files(place: _Place, port: int) -> None:
    host_key = _public(place.host_key).read_text(encoding="ascii").split()
    _write_private(place.known_hosts, f"[{_ADDRESS}]:{port} {host_key[0]} {host_key[1]}\n")
    _write_private(
        place.client_config,
        f"Host {HOST_ALIAS}\n"
        f"    HostName {_ADDRESS}\n"
        f"    Port {port}\n"
        f"    User {place.user}\n"
        f'    IdentityFile "{place.client_key}"\n'
        "    IdentitiesOnly yes\n"
        f'    UserKnownHostsFile "{place.known_hosts}"\n',
    )


def sshd_config(place: _Place, port: int, *, penalties: bool) -> str:
    """Return the configuration of OpenSSH's server."""
    lines = [
        f"ListenAddress {_ADDRESS}",
        f"Port {port}",
        f'HostKey "{place.host_key}"',
        f'AuthorizedKeysFile "{_public(place.client_key)}"',
        f'PidFile "{place.directory / "sshd.pid"}"',
        f"AllowUsers {place.user}",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        # The sandbox may lie under a directory that others can write to, such as /tmp.
        "StrictModes no",
        "UsePAM no",
        "PermitUserRC no",
        "PrintMotd no",
        "UseDNS no",
        "X11Forwarding no",
        "MaxSessions 100",
        "MaxStartups 200",
        # Kept from the user's own shell, so that it does not read this person's rc files.
        f'SetEnv HOME="{place.home}"',
        f"ForceCommand exec {shlex.quote(str(place.directory / 'session'))}",
    ]
    if penalties:
        # Tests of wrong keys come from one address: OpenSSH 9.8 and later would shut it out.
        lines.append("PerSourcePenalties no")
    return "".join(f"{line}\n" for line in lines)


def session_script(environment: Mapping[str, str]) -> str:
    """Return the shell script in which each session of OpenSSH's server starts.

    sshd can set variables, but a session's working directory is always the user's own home.

    Args:
        environment: The session's variables; HOME is where it starts.
    """
    exports = "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.items())
    )
    return (
        "#!/bin/sh\n"
        "# shellcheck disable=SC2016  # a value with $ is meant as it stands\n"
        f"{exports}"
        'cd "$HOME" || exit 127\n'
        'if [ -z "${SSH_ORIGINAL_COMMAND+set}" ]; then\n'
        "    exec /bin/sh\n"
        "fi\n"
        "asked=$SSH_ORIGINAL_COMMAND\n"
        "unset SSH_ORIGINAL_COMMAND MAIL\n"
        'exec /bin/sh -c "$asked"\n'
    )


# --------------------------------------------------------------------------- starting


def _start_in(place: _Place, launch: Callable[[], SshServer]) -> SshServer:
    """Make the keys, launch a server, and leave nothing behind when that fails."""
    if place.directory.exists():
        raise UsageError(
            f"{place.directory} exists already", "end that sandbox first: ops sandbox down"
        )
    place.directory.mkdir(mode=0o700)
    try:
        _make_key(place.host_key, "sandbox host key")
        _make_key(place.client_key, "sandbox client key")
        return launch()
    except BaseException:
        shutil.rmtree(place.directory)
        place.client_config.unlink(missing_ok=True)
        raise


def _start_builtin(place: _Place) -> SshServer:
    settings = Settings(
        host_key=place.host_key,
        client_key=_public(place.client_key),
        user=place.user,
        home=place.home,
        environment=place.session_environment(),
    )
    file = place.directory / "settings.json"
    _write_private(file, settings.render())
    # The socket is made here, so that no other program can take the port in between.
    with socket.create_server((_ADDRESS, 0), backlog=128) as listener:
        number = listener.fileno()
        argv = [sys.executable, "-m", "ops.sandbox.sshserver"]
        argv += ["--settings", str(file), "--listen-fd", str(number)]
        with _launched(place, "builtin", argv, listener.getsockname()[1], [number]) as server:
            _await_login(place, server)
    return server


def _start_openssh(place: _Place, sshd: Path, say: Say) -> SshServer:
    if os.geteuid() == 0 and sys.platform == "linux" and not _PRIVILEGE_SEPARATION.exists():
        # A directory of the machine, shared by every sshd that runs on it: it is not removed.
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755)
        say(f"made {_PRIVILEGE_SEPARATION}, which sshd needs for privilege separation")
    _write_private(place.directory / "session", session_script(place.session_environment()), 0o700)
    config = place.directory / "sshd_config"
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        port = _free_port()
        _write_private(config, sshd_config(place, port, penalties=True))
        if not _accepts(sshd, config):
            _write_private(config, sshd_config(place, port, penalties=False))
        argv = [str(sshd), "-D", "-e", "-f", str(config)]
        try:
            with _launched(place, "openssh", argv, port) as server:
                _await_login(place, server)
        except StepFailed:
            # Between finding a free port and listening on it, another program can take it.
            if attempt == _PORT_ATTEMPTS or "Address already in use" not in _read_log(place):
                raise
        else:
            return server
    raise AssertionError("the last attempt returns or raises")


def _accepts(sshd: Path, config: Path) -> bool:
    """Tell whether this sshd knows every keyword of the configuration."""
    argv = [str(sshd), "-t", "-f", str(config)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _free_port() -> int:
    with socket.create_server((_ADDRESS, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


logging.getLogger(_PROBE_LOG).addHandler(logging.NullHandler())
logging.getLogger(_PROBE_LOG).propagate = False

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Servers that this process started: kept so that they can be reaped when they end."""


@contextmanager
def _launched(
    place: _Place, kind: str, argv: Sequence[str], port: int, descriptors: Sequence[int] = ()
) -> Iterator[SshServer]:
    """Run a server in the background; end it again when the block fails."""
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.directory,
            pass_fds=descriptors,
            start_new_session=True,
            umask=0o022,  # as on a host, whatever this process has
        )
    except OSError as error:
        raise StepFailed(f"{argv[0]} does not start: {error.strerror}") from error
    finally:
        os.close(log)
    _children[process.pid] = process
    try:
        started = started_at(process.pid)
        server = SshServer(process.pid, started or "", port, kind, place.user)
        _write_client_files(place, port)
    except BaseException:
        process.kill()
        process.wait()
        del _children[process.pid]
        raise
    try:
        yield server
    except BaseException:
        stop(server)
        raise


def _read_log(place: _Place) -> str:
    return place.log.read_text(encoding="utf-8", errors="replace")


def _await_login(place: _Place, server: SshServer) -> None:
    """Wait until a login works and shows the right home; raise StepFailed when it never does."""
    deadline = time.monotonic() + _READY_WITHIN
    reason: Exception | str = "it does not answer"
    while time.monotonic() < deadline:
        if not is_running(server):
            last = _read_log(place).strip().splitlines()[-1:]
            reason = f"it ended: {last[0]}" if last else "it ended without a word"
            break
        try:
            shown = _log_in(place, server, deadline)
        except paramiko.AuthenticationException as error:
            reason = error
            break
        except (OSError, EOFError, paramiko.SSHException) as error:
            reason = error
            time.sleep(0.02)
            continue
        if shown == f"{place.home}\n{place.home.resolve()}\n":
            return
        reason = f"its sessions start elsewhere: {shown!r}"
        break
    name = "sshd" if server.kind == "openssh" else "the builtin SSH server"
    raise StepFailed(f"{name} does not work here: {reason}", "try --ssh builtin, or --ssh openssh")


def _log_in(place: _Place, server: SshServer, deadline: float) -> str:
    left = max(1.0, deadline - time.monotonic())
    with paramiko.SSHClient() as client:
        # Paramiko reports a server that is not ready with a traceback in its log.
        client.set_log_channel(_PROBE_LOG)
        client.load_host_keys(str(place.known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            _ADDRESS,
            server.port,
            server.user,
            key_filename=str(place.client_key),
            allow_agent=False,
            look_for_keys=False,
            timeout=left,
            banner_timeout=left,
            auth_timeout=left,
        )
        command = 'printf "%s\\n" "$HOME"; pwd -P'
        _, stdout, _ = client.exec_command(command, timeout=left)
        return stdout.read().decode("utf-8", "replace")


# --------------------------------------------------------------------------- processes


def _stat_fields(file: Path) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the third on, or None when the process is gone."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is a program's name in brackets, and may hold anything.
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _descendants(pid: int) -> list[int]:
    """Return the children of a process, their children, and so on."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    todo = [pid]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found


def _parents() -> Iterator[tuple[int, int]]:
    if _PROC_SELF.exists():
        for entry in _PROC_SELF.parent.iterdir():
            if entry.name.isdecimal() and (fields := _stat_fields(entry / "stat")):
                yield int(entry.name), int(fields[1])
        return
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    for line in shown.stdout.splitlines():
        child, parent = line.split()
        yield int(child), int(parent)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    if (process := _children.get(pid)) and process.poll() is not None:
        del _children[pid]
