"""Which line of a failed step is shown, and what is said to do about it."""

from __future__ import annotations

import pytest

from ops.steps.codes import HINTS, telling

P3018 = """\
Applying migration `20260221053404_add_missing_models`
Error: P3018

A migration failed to apply. New migrations cannot be applied before the error is recovered from.

Migration name: 20260221053404_add_missing_models

Database error code: 42710

Database error:
ERROR: type "attendance_status" already exists

DbError { severity: "ERROR", detail: Some("Key (email)=(asha@example.com)") }
"""


@pytest.mark.parametrize(
    ("log", "line", "hint"),
    [
        (P3018, 'P3018: ERROR: type "attendance_status" already exists', HINTS["P3018"]),
        (
            "Error: P1001: Can't reach database server at `db:5432`\n",
            "P1001: Can't reach database server at `db:5432`",
            HINTS["P1001"],
        ),
        (
            "Error: P3012\n\nMigration `x` is fine.\n",
            "P3012: Migration `x` is fine.",
            HINTS["P3012"],
        ),
        (
            "Error: ERROR: current transaction is aborted\n",
            "ERROR: current transaction is aborted",
            "",
        ),
        ("Error: P9999\n\nSomething new.\n", "P9999: Something new.", ""),
        ("one\n\n  two  \n\n", "two", ""),
        ("", "it printed nothing", ""),
        ("Error: P3009", "P3009: ", HINTS["P3009"]),
    ],
)
def test_telling(log: str, line: str, hint: str) -> None:
    assert telling(log) == (line, hint)


def test_no_row_is_quoted() -> None:
    assert "asha@example.com" not in telling(P3018)[0]
