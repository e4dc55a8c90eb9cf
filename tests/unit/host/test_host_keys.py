"""known_hosts as OpenSSH reads it, and what is refused."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Final

import paramiko
import pytest
from paramiko.message import Message

from ops.errors import ExitCode, HostKeyRefused
from ops.host.host_keys import CheckedKeys, Known, fingerprint, known_name, read_known_hosts

if TYPE_CHECKING:
    from pathlib import Path

KEYS: Final = [paramiko.ECDSAKey.generate() for _ in range(3)]
GOOD, OTHER, THIRD = KEYS
RSA: Final = paramiko.RSAKey.generate(2048)


def entry(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def known(tmp_path: Path, text: str, name: str = "app.example.com") -> Known:
    file = tmp_path / "known"
    file.write_text(text)
    empty = tmp_path / "none"
    return read_known_hosts(
        name, {"userknownhostsfile": str(file), "globalknownhostsfile": str(empty)}
    )


def check(
    state: Known, key: paramiko.PKey, pin: str | None = None, place: str | None = "P"
) -> None:
    client = paramiko.SSHClient()
    CheckedKeys(state, pin, place).missing_host_key(client, "other spelling", key)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("app.example.com {}", "app.example.com"),
        ("APP.example.com {}", "app.example.com"),
        ("app.example.com {}", "App.Example.com"),
        ("other,app.example.com,1.2.3.4 {} a comment", "app.example.com"),
        ("*.example.com {}", "app.example.com"),
        ("app.e?ample.com {}", "app.example.com"),
        ("[app.example.com]:2222 {}", "[app.example.com]:2222"),
        ("[*.example.com]:2222 {}", "[app.example.com]:2222"),
        ("!bad.example.com,*.example.com {}", "app.example.com"),
        ("  app.example.com\t{}", "app.example.com"),
    ],
)
def test_a_line_names_a_host(tmp_path: Path, line: str, name: str) -> None:
    state = known(tmp_path, f"# comment\n\n{line.format(entry(GOOD))}\n", name)
    assert [key.blob for key in state.keys] == [GOOD.asbytes()]
    check(state, GOOD)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "app.example.com",
        "app.example.com ssh-ed25519",
        "app.example.com {0} !!!not base64",
        "# app.example.com {0}",
        "xapp.example.com {0}",
        "appxexample.com {0}",
        "app.example.com.evil {0}",
        "[app.example.com]:22 {0}",
        "!app.example.com,*.example.com {0}",
        "*.example.com,!app.* {0}",
        "@cert-authority *.example.com {0}",
        "|1|nonsense {0}",
        "|1|a|b|c {0}",
        "|1|%%%|%%% {0}",
        "\udcff {0}",
    ],
)
def test_a_line_that_does_not_count(tmp_path: Path, line: str) -> None:
    text = (
        line.format(entry(GOOD).replace(" ", " "))
        if "not base64" not in line
        else (f"app.example.com {GOOD.get_name()} !!!not-base64")
    )
    file = tmp_path / "known"
    file.write_bytes(text.encode(errors="surrogateescape") + b"\n")
    state = read_known_hosts("app.example.com", {"userknownhostsfile": str(file)})
    assert state.keys == ()
    with pytest.raises(HostKeyRefused, match="unknown"):
        check(state, GOOD)


@pytest.mark.parametrize("name", ["app.example.com", "[app.example.com]:2222"])
def test_names_hashed_by_openssh(tmp_path: Path, name: str) -> None:
    file = tmp_path / "known"
    file.write_text(f"{name} {entry(GOOD)}\n{name.replace('app', 'other')} {entry(OTHER)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    assert "|1|" in file.read_text()
    assert "app" not in file.read_text()
    state = read_known_hosts(name, {"userknownhostsfile": str(file)})
    check(state, GOOD)
    with pytest.raises(HostKeyRefused, match="CHANGED"):
        check(state, OTHER)


def test_several_keys_of_one_kind_are_all_good(tmp_path: Path) -> None:
    name = "app.example.com"
    state = known(tmp_path, f"{name} {entry(GOOD)}\n{name} {entry(OTHER)}\n")
    check(state, GOOD)
    check(state, OTHER)
    with pytest.raises(HostKeyRefused) as refused:
        check(state, THIRD)
    for key in KEYS:
        assert fingerprint(key.asbytes()) in refused.value.message


def test_a_changed_key_shows_both_fingerprints_and_how_to_forget_the_old(tmp_path: Path) -> None:
    state = known(tmp_path, f"[h]:2222 {entry(GOOD)}\n[h]:2222 {entry(RSA)}\n", "[h]:2222")
    with pytest.raises(HostKeyRefused) as refused:
        check(state, OTHER, place="environments.prod.hosts[0]")
    error = refused.value
    assert error.exit_code is ExitCode.UNREACHABLE
    assert error.message == (
        f"[h]:2222: the host key has CHANGED: known_hosts has {fingerprint(GOOD.asbytes())}, "
        f"got {fingerprint(OTHER.asbytes())} (ecdsa-sha2-nistp256)"
    )
    assert f"ssh-keygen -R '[h]:2222' -f {tmp_path}/known, " in error.hint
    pin = f'environments.prod.hosts[0].host_key: "{fingerprint(OTHER.asbytes())}"'
    assert pin in error.hint


def test_the_command_for_an_unknown_key_makes_it_known(tmp_path: Path) -> None:
    state = known(tmp_path, "", "[h]:2222")
    with pytest.raises(HostKeyRefused) as refused:
        check(state, GOOD, place=None)
    assert fingerprint(GOOD.asbytes()) in refused.value.message
    assert "host_key" not in refused.value.hint  # a jump host stands in no inventory
    command = refused.value.hint.partition("pin it: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    check(known(tmp_path, state.file.read_text(), "[h]:2222"), GOOD)


def test_a_pinned_key_alone_counts(tmp_path: Path) -> None:
    state = known(tmp_path, f"app.example.com {entry(OTHER)}\n")
    check(state, GOOD, pin=fingerprint(GOOD.asbytes()))
    with pytest.raises(HostKeyRefused) as refused:
        check(state, OTHER, pin=fingerprint(GOOD.asbytes()))
    assert refused.value.message == (
        f"app.example.com: the host key is not the pinned one: pinned "
        f"{fingerprint(GOOD.asbytes())}, got {fingerprint(OTHER.asbytes())} (ecdsa-sha2-nistp256)"
    )
    assert f'P.host_key: "{fingerprint(OTHER.asbytes())}"' in refused.value.hint


def test_a_revoked_key_is_refused_even_if_it_is_known(tmp_path: Path) -> None:
    state = known(tmp_path, f"app.example.com {entry(GOOD)}\n@revoked * {entry(GOOD)}\n")
    with pytest.raises(HostKeyRefused, match="REVOKED"):
        check(state, GOOD)


def test_keys_of_a_known_kind_are_asked_for_first(tmp_path: Path) -> None:
    class Options:
        key_types: tuple[str, ...] = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512")

    class Transport:
        options = Options()

        def get_security_options(self) -> Options:
            return self.options

    def order(text: str, pin: str | None = None) -> tuple[str, ...]:
        transport = Transport()
        transport.options = Options()
        CheckedKeys(known(tmp_path, text), pin, "P").prefer(transport)  # type: ignore[arg-type]
        return transport.options.key_types

    line = f"app.example.com {entry(RSA)}\n"
    assert order(line) == ("rsa-sha2-512", "ssh-ed25519", "ecdsa-sha2-nistp256")
    assert order(line + f"app.example.com {entry(GOOD)}\n")[:2] == (
        "rsa-sha2-512",
        "ecdsa-sha2-nistp256",
    )
    assert order("") == Options.key_types
    assert order(line, pin="SHA256:x") == Options.key_types


@pytest.mark.parametrize(
    ("host", "port", "alias", "name"),
    [
        ("h", 22, None, "h"),
        ("h", 2222, None, "[h]:2222"),
        ("::1", 2222, None, "[::1]:2222"),
        ("h", 2222, "db", "db"),
        ("h", 22, "db", "db"),
    ],
)
def test_the_name_in_known_hosts(host: str, port: int, alias: str | None, name: str) -> None:
    assert known_name(host, port, alias) == name


@pytest.mark.parametrize(
    ("setting", "files"),
    [
        ("{d}/a", ["a"]),
        ("{d}/a {d}/b", ["a", "b"]),
        ("{d}/with space", ["with space"]),
        ('{d}/with space" "{d}/a', ["with space", "a"]),
        ('"{d}/a" {d}/missing', ["a"]),
        ("none", []),
        ("NONE", []),
    ],
)
def test_the_files_that_the_ssh_configuration_names(
    tmp_path: Path, setting: str, files: list[str]
) -> None:
    for name in ("a", "b", "with space"):
        (tmp_path / name).write_text(f"h {entry(GOOD)}\n")
    state = read_known_hosts(
        "h",
        {
            "userknownhostsfile": setting.format(d=tmp_path),
            "globalknownhostsfile": str(tmp_path / "none"),
        },
    )
    assert [key.file for key in state.keys] == [tmp_path / name for name in files]


def test_without_settings_the_files_in_the_home_directory_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    for name, key in (("known_hosts", GOOD), ("known_hosts2", OTHER)):
        (tmp_path / ".ssh" / name).write_text(f"h.invalid {entry(key)}\n")
    state = read_known_hosts("h.invalid", {})
    assert [key.blob for key in state.keys] == [GOOD.asbytes(), OTHER.asbytes()]
    assert state.file == tmp_path / ".ssh/known_hosts"


def test_a_file_that_cannot_be_read_counts_as_nothing_known(tmp_path: Path) -> None:
    assert read_known_hosts("h", {"userknownhostsfile": str(tmp_path)}).keys == ()


def test_a_fingerprint_is_the_one_that_openssh_prints(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(entry(RSA))
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", file], check=True, capture_output=True, text=True
    )
    blob = Message(RSA.asbytes()).asbytes()
    assert fingerprint(blob) == shown.stdout.split()[1]
