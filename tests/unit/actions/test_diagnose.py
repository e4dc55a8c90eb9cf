"""`diagnose`: what it calls proved was proved, and only health ends with 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ops.actions.diagnose import diagnose
from ops.proof.remedy import Diagnosis, Remedy
from ops.secrets import Redactor
from tests.unit.factories import (
    HEART,
    NO_SCRATCH,
    SQL,
    behind,
    make_facts,
    proved,
    row,
    session,
    unproved,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mock import MockerFixture

    from ops.facts.gather import Facts

PENDING = behind({**SQL, "20240501000000_new": b""})
UNTRIED = Diagnosis(tried=False)


@pytest.mark.parametrize(
    ("facts", "found", "code", "message"),
    [
        (make_facts(), UNTRIED, 0, "healthy: no migration has failed, none is pending"),
        (
            make_facts(row()),
            proved(Remedy("rerun", HEART)),
            3,
            "a remedy is proved: recover carries it out",
        ),
        (
            PENDING,
            proved(),
            3,
            "what is pending was tried on a copy and ends well: deploy carries it out",
        ),
        (make_facts(row()), unproved("line 1 fails"), 3, "not proved: line 1 fails"),
        (PENDING, unproved(NO_SCRATCH, tried=False), 3, f"not proved: {NO_SCRATCH}"),
        (make_facts(row(), unpushed=2), UNTRIED, 3, "not proved: main on the host has 2 commits"),
        (make_facts(ledger=None), UNTRIED, 3, "not proved: app@db.example.com:5432/school has 7"),
        # An empty database: nothing was tried, so nothing is said to end well.
        (
            make_facts(ledger=None, tables=0),
            UNTRIED,
            3,
            "nothing was tried: a first deployment is `deploy`",
        ),
        (
            make_facts(row(), sessions=[session(holds_lock=True)]),
            proved(),
            5,
            "a migration is still running: pid 4711",
        ),
    ],
)
def test_what_a_diagnosis_ends_with(
    facts: Facts,
    found: Diagnosis,
    code: int,
    message: str,
    mocker: MockerFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    examined = mocker.patch("ops.actions.diagnose.examined", return_value=found)
    target: Any = mocker.Mock(gate=Redactor())
    target.name = "prod"
    target.facts.return_value = facts
    outcome = diagnose(target)
    assert outcome.message.startswith(message)
    assert outcome.exit_code == code
    assert target.facts.call_args.kwargs == {"fetch": True}
    if code == 5:
        examined.assert_not_called()
        assert "verdicts" not in outcome.data
    else:
        assert outcome.data["unproved"] == list(found.unproved)
        assert outcome.data["ledger"]["pending"] == facts.pending
