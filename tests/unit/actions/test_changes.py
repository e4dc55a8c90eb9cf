"""The rules around every change: when to wait, and what counts as done."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_mock import MockerFixture

from ops.actions.changes import judged, settled, verify
from ops.errors import Busy, VerificationFailed
from ops.plan import Healthy, Plan, Refusal, Wait
from tests.unit.factories import (
    COMMIT_MAIN,
    HEART,
    app,
    make_facts,
    row,
    session,
    tree,
)


def test_a_healthy_end_is_accepted() -> None:
    verify(make_facts(), make_facts())


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (make_facts(row()), f"failed in the ledger: {HEART}"),
        (make_facts(row(state="rolled back")), f"not recorded as applied: {HEART}"),
        (make_facts(oid=4711), "another database than before"),
        (make_facts(system_identifier="1"), "another database than before"),
        (make_facts(head=tree(COMMIT_MAIN)), f"the checkout is at {COMMIT_MAIN[:10]}"),
        (make_facts(main_app=app({HEART: b"", "3_more": b""})), "not recorded as applied: 3_more"),
    ],
    ids=["failed", "not applied", "oid", "system", "checkout", "missing"],
)
def test_prismas_word_is_not_enough(after: Any, said: str) -> None:
    with pytest.raises(VerificationFailed, match="Prisma reported success, but: ") as error:
        verify(make_facts(), after)
    assert said in error.value.message
    assert int(error.value.exit_code) == 7


def test_a_running_migration_is_waited_for_and_shown_once(mocker: MockerFixture) -> None:
    mocker.patch("ops.actions.changes.time.sleep")
    target = mocker.Mock()
    target.facts.return_value = make_facts()
    waits = [Wait((session(holds_lock=True),))] * 3
    decide = mocker.Mock(side_effect=[*waits, Healthy()])
    facts, decision = settled(target, make_facts(), decide)
    assert isinstance(decision, Healthy)
    assert facts is target.facts.return_value
    assert target.facts.call_args.kwargs == {"fetch": False}
    target.screen.notice.assert_called_once()


def test_it_is_not_waited_for_for_ever(mocker: MockerFixture) -> None:
    mocker.patch("ops.actions.changes.time.sleep")
    mocker.patch("ops.actions.changes.time.monotonic", side_effect=[0.0, 599.0, 601.0])
    decide = mocker.Mock(return_value=Wait((session(holds_lock=True),)))
    with pytest.raises(Busy, match="still running after 600 s") as error:
        settled(mocker.Mock(), make_facts(), decide)
    assert int(error.value.exit_code) == 5
    assert decide.call_count == 2


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (Plan("recover", ()), 0),
        (Healthy(), 0),
        (Wait(()), 5),
        (Refusal(("because",)), 3),
    ],
)
def test_each_decision_has_its_exit_code(decision: Any, code: int) -> None:
    assert judged(make_facts(), decision).exit_code == code
