"""The journal on this machine: private, complete, valid, without secrets."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ops.errors import ExitCode, StepFailed, UsageError
from ops.run.journal import Journal, entry, line, local_state, new_run_id, redacted
from ops.secrets import Redactor, Secret

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Journal.begin(
        "prod", "r1", Redactor([Secret("hunter22"), Secret("12345"), Secret("event")])
    )


def records(journal: Journal) -> list[dict[str, Any]]:
    text = (journal.directory / "journal.jsonl").read_text()
    return [json.loads(each) for each in text.splitlines()]


def test_lines_are_valid_whatever_the_secrets_are(journal: Journal) -> None:
    journal.write("began", number=12345, text="a hunter22 b", words=("x", "hunter22"), none=None)
    journal.write("ended", nested=[{"url": "postgresql://u:pw@h/d"}], code=ExitCode.BUSY, ok=True)
    first, second = records(journal)
    assert first["event"] == "began"
    assert (first["number"], first["text"], first["words"]) == (12345, "a *** b", ["x", "***"])
    assert first["none"] is None
    assert second["nested"] == [{"url": "postgresql://u:***@h/d"}]
    assert (second["code"], second["ok"]) == (5, True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["at"])


def test_lines_that_other_programs_would_cut_are_whole(journal: Journal) -> None:
    text = "a\u2028b\x85c\nd\re\0\U0001d11e\x1b"
    journal.write("x", text=text)
    data = (journal.directory / "journal.jsonl").read_bytes()
    assert data.count(b"\n") == 1
    assert len(data.decode().splitlines()) == 1
    assert records(journal)[0]["text"] == text


def test_files_are_private(journal: Journal) -> None:
    journal.write("x")
    with journal.open_log("01-x") as log:
        log.write(b"x")
    assert journal.directory.stat().st_mode & 0o777 == 0o700
    for file in journal.directory.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_each_line_is_on_the_disk_before_anything_goes_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: sizes.append(os.fstat(number).st_size))
    journal.write("one")
    journal.write("two")
    assert sizes[1] > sizes[0] > 0
    assert sizes[1] == (journal.directory / "journal.jsonl").stat().st_size


def test_a_run_is_begun_once(journal: Journal) -> None:
    with pytest.raises(UsageError, match="the journal cannot be kept there: File exists"):
        Journal.begin("prod", "r1", Redactor())


def test_a_journal_that_cannot_be_written_ends_the_run(journal: Journal) -> None:
    (journal.directory / "journal.jsonl").unlink(missing_ok=True)
    (journal.directory / "journal.jsonl").mkdir()
    with pytest.raises(StepFailed, match="the journal cannot be written: Is a directory"):
        journal.write("step begins")


def test_the_place_without_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_state() == tmp_path / ".local/state/prisma-ops"


def test_run_ids_sort_by_time_and_differ() -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    ids = {new_run_id(at) for _ in range(20)}
    assert len(ids) > 15
    assert all(re.fullmatch(r"20260203T040506Z-[0-9a-f]{4}", each) for each in ids)


def test_what_json_does_not_know_becomes_text() -> None:
    record = redacted(entry("r", "e", at2=datetime(2026, 1, 1, tzinfo=UTC)), Redactor())
    assert json.loads(line(record))["at2"] == "2026-01-01 00:00:00+00:00"
