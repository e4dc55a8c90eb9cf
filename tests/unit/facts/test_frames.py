"""Probes framed in one answer, and the small facts that are read from one frame."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.facts.database import parse_database
from ops.facts.frames import Frame, Frames, Unknown, is_complete, parse_frames
from ops.facts.git import _changed, _fetch_problem, _incoming, _moves, _unquoted, spellings
from ops.facts.tools import parse_last_backup, parse_machine
from tests.unit.factories import NOW

MARK = "@feed"


def framed(name: str, body: bytes, code: int = 0) -> bytes:
    return b"\n@feed begin %b\n%b\n@feed end %d\n" % (name.encode(), body, code)


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 255)), max_size=4), st.binary())
def test_what_a_probe_printed_comes_out_byte_by_byte(
    probes: list[tuple[bytes, int]], noise: bytes
) -> None:
    answer = b"login noise" + b"".join(
        framed(f"p {number}", body, code) for number, (body, code) in enumerate(probes)
    )
    frames = parse_frames(answer + noise, answer, MARK)
    for number, (body, code) in enumerate(probes):
        frame = frames.get(f"p {number}")
        assert (frame.stdout, frame.exit_code) == (body, code)
        assert frame.stderr == body.decode(errors="replace")


def test_a_probe_is_complete_with_its_end() -> None:
    whole = framed("url", b"x")
    assert is_complete(whole, MARK, "url")
    assert not any(is_complete(whole[:end], MARK, "url") for end in range(len(whole)))
    assert not is_complete(whole, MARK, "other")


def test_a_probe_that_failed_or_is_missing_is_never_an_empty_answer() -> None:
    frames = Frames({"a": Frame(2, b"", " noise\nwhy it failed \n"), "b": Frame(3, b"x")})
    with pytest.raises(Unknown, match="did not answer the probe `c`"):
        frames.get("c")
    for name, said in (("a", "what: why it failed"), ("b", "what: exit code 3")):
        with pytest.raises(Unknown) as caught:
            frames.need(name, "what", "hint")
        assert (caught.value.message, caught.value.hint) == (said, "hint")
    assert "a" in frames
    assert "c" not in frames


@pytest.mark.parametrize(
    ("body", "lines"), [(b"", []), (b"a\n", ["a"]), (b"a\n\n", ["a", ""]), (b"\xff", ["\ufffd"])]
)
def test_lines_are_those_between_line_ends(body: bytes, lines: list[str]) -> None:
    assert Frame(0, body).lines == lines


# --- the database ---


@pytest.mark.parametrize(
    ("stderr", "said", "hint"),
    [
        (
            (
                'psql: error: connection to server at "h", port 1 failed: Connection refused\n'
                "\tIs the server running on that host and accepting TCP/IP connections?"
            ),
            'connection to server at "h", port 1 failed: Connection refused',
            "nothing listens there",
        ),
        (
            "psql:<stdin>:7: ERROR:  permission denied for table x\nLINE 1: SELECT\n        ^",
            "ERROR:  permission denied for table x",
            "may not read this",
        ),
        ('psql: error: could not translate host name "h"', "could not translate", "host is wrong"),
        ("psql: error: timeout expired", "timeout expired", "did not answer"),
        ('psql: error: FATAL:  no pg_hba.conf entry for host "h"', "FATAL", "does not admit"),
        ("psql: error: server does not support SSL, but", "server does not", "sslmode"),
        ("something else", "something else", ""),
        ("", "exit code 2", ""),
    ],
)
def test_why_the_database_did_not_answer(stderr: str, said: str, hint: str) -> None:
    with pytest.raises(Unknown) as caught:
        parse_database(Frames({"database": Frame(2, b"", stderr)}), "app@h/d")
    assert caught.value.message.startswith(f"app@h/d: {said}")
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("answer", [b"not JSON", b"[]", b'{"identity": {}}', b"{}", b""])
def test_an_answer_of_another_form_is_unknown(answer: bytes) -> None:
    with pytest.raises(Unknown, match="the database's answer cannot be read"):
        parse_database(Frames({"database": Frame(0, answer)}), "x")


# --- git ---


@pytest.mark.parametrize(
    ("quoted", "path"),
    [
        ("plain größe", "plain größe"),
        (r'"a\"b\\c"', 'a"b\\c'),
        (r'"a\tb\nc"', "a\tb\nc"),
        (r'"\303\266"', "ö"),
        (r'"\a\b\f\r\v"', "\a\b\f\r\v"),
    ],
)
def test_gits_quoting_is_undone(quoted: str, path: str) -> None:
    assert _unquoted(quoted) == path


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (b"", ()),
        (b" M a\0", ("a",)),
        (b"R  new\0old\0 D gone\0", ("new", "gone")),
        (b"C  copy\0from\0", ("copy",)),
        (b" M with\nline\0", ("with\nline",)),
    ],
)
def test_a_rename_is_one_change(output: bytes, paths: tuple[str, ...]) -> None:
    assert _changed(output) == paths


def test_the_reflog_and_commits_are_read_line_by_line() -> None:
    commit = "a" * 40
    text = f"{commit} HEAD@{{1717200000}}\nnot a line of it\n"
    assert _moves(Frames({"reflog": Frame(0, text.encode())})) == (
        (datetime.fromtimestamp(1717200000, UTC), commit),
    )
    (found,) = _incoming(Frames({"commits": Frame(0, b"abc\tAsha\ta\tb")}))
    assert found.subject == "a\tb"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(124, b"", "fatal: x"), "origin did not answer within 60 s"),
        (
            Frame(1, b"", "Warning: added\nPermission denied\nfatal: Could not\nadvice"),
            "Permission",
        ),
        (Frame(1, b"", "warning: only"), "warning: only"),
        (Frame(1, b"", ""), "exit code 1"),
    ],
)
def test_why_a_fetch_failed(frame: Frame, said: str) -> None:
    assert _fetch_problem(frame).startswith(said)


@given(st.binary(max_size=60))
def test_a_script_is_among_its_own_spellings(content: bytes) -> None:
    assert content in spellings(content).values()
    assert {len(digest) <= 64 for digest in spellings(content)} == {True}


# --- the machine ---


def machine_frames(**changes: Frame) -> Frames:
    usual = {
        "machine": Frame(0, b"Linux\ndeploy\n/home/deploy\n1717243205\n"),
        "space backups": Frame(0, b"/dev/sda1  100  60  40  60% /srv\n"),
        "space repo": Frame(0, b"map auto_home 0 0 0 100% /a b\n"),
        "node": Frame(0, b"v20.11.0\n"),
        "pg_dump": Frame(0, b"pg_dump (PostgreSQL) 15.4 (Debian 15.4-1)\n"),
        "psql": Frame(127, b"", "psql is not on the PATH"),
        "support": Frame(0, b"has flock\nhas setsid\n"),
    }
    return Frames({**usual, **{name.replace("_", " "): frame for name, frame in changes.items()}})


def test_the_machine_is_read() -> None:
    found = parse_machine(machine_frames(), NOW)
    assert (found.system, found.user, found.home) == ("Linux", "deploy", "/home/deploy")
    assert found.clock_offset == 5.0
    assert (found.free_backups, found.free_repo) == (40 * 1024, 0)
    assert (found.node.major, found.pg_dump.version, found.pg_dump.major) == (20, "15.4", 15)
    assert (found.psql.major, found.psql.problem) == (0, "psql is not on the PATH")
    assert found.support == {"flock", "setsid"}


def test_a_program_that_answers_nonsense_is_not_there() -> None:
    found = parse_machine(machine_frames(node=Frame(0, b"hello")), NOW)
    assert (found.node.version, found.node.problem) == ("", "answered 'hello'")


@pytest.mark.parametrize("text", ["", "Filesystem", "a b c", "% 1%"])
def test_free_room_that_cannot_be_asked_is_none(text: str) -> None:
    assert parse_machine(machine_frames(space_repo=Frame(1, text.encode())), NOW).free_repo == 0


CARD = {"file": "a", "size": 1, "sha256": "b", "finished_at": "c", "level": "d", "more": 1}


@pytest.mark.parametrize(
    ("text", "found"),
    [(json.dumps(CARD), True), ("", False), ("{", False), ('{"file": 1}', False)],
)
def test_a_card_that_cannot_be_read_is_none(text: str, found: bool) -> None:
    card = parse_last_backup(Frames({"newest backup": Frame(0, text.encode())}))
    assert (card is not None) is found
