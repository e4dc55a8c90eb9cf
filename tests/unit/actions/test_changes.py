"""The rules around every change: when to wait, and what counts as done."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_mock import MockerFixture

from ops.actions.changes import examined, judged, settled, verify
from ops.errors import Busy, VerificationFailed
from ops.plan import Healthy, Plan, Refusal, Wait
from ops.proof.verdict import by_testimony, tried
from tests.unit.factories import (
    COMMIT_MAIN,
    HEART,
    app,
    environment,
    make_facts,
    row,
    session,
    tree,
)

RUNNING = make_facts(row(), sessions=[session(holds_lock=True)])


def test_a_healthy_end_is_accepted() -> None:
    verify(make_facts(), make_facts())


def test_the_catalog_must_be_what_was_proved_too() -> None:
    lines = ("table public.a: is in the copy, not in production", "index public.a.i: ...")
    with pytest.raises(VerificationFailed) as error:
        verify(make_facts(), make_facts(), lines)
    assert error.value.message == f"Prisma reported success, but: {'; '.join(lines)}"
    with pytest.raises(
        VerificationFailed, match=r"not recorded as applied: .*; index public\.a\.i"
    ):
        verify(make_facts(), make_facts(row(state="rolled back")), lines[1:])


SCRATCH_FREE = [
    make_facts(),
    RUNNING,
    make_facts(row(), unpushed=1),
    make_facts(row(logs=None), standby=True),
    make_facts(ledger=None, tables=0),
]


@pytest.mark.parametrize("facts", SCRATCH_FREE)
def test_no_copy_is_made_where_it_decides_nothing(facts: Any, mocker: MockerFixture) -> None:
    diagnose = mocker.patch("ops.actions.changes.diagnose")
    found = examined(mocker.Mock(), facts, "run")
    diagnose.assert_not_called()
    assert found.verdicts == tuple(by_testimony(facts, name) for name in tried(facts))
    assert (found.remedies, found.proof, found.digest) == ((), (), "")
    assert not found.tried, "so nothing may be called proved"


def test_else_copies_are_looked_at_and_that_is_said(mocker: MockerFixture) -> None:
    diagnose = mocker.patch("ops.actions.changes.diagnose")
    with_past = mocker.patch("ops.actions.changes.with_past")
    target = mocker.Mock(environment=environment())
    facts = make_facts(row())
    assert examined(target, facts, "run-1") is diagnose.return_value
    with_past.assert_called_once_with(facts, target.host)
    diagnose.assert_called_once_with(with_past.return_value, target.host, "run-1", None)
    target.screen.notice.assert_called_once()


def test_copies_are_made_where_the_inventory_says(mocker: MockerFixture) -> None:
    diagnose = mocker.patch("ops.actions.changes.diagnose")
    mocker.patch("ops.actions.changes.with_past")
    read_url = mocker.patch("ops.actions.changes.read_url")
    other = environment(scratch={"url": {"env": "SCRATCH_URL"}})
    target = mocker.Mock(environment=other)
    examined(target, make_facts(row()), "run-1")
    read_url.assert_called_once_with(target.host, other, other.scratch.url, target.gate)
    assert diagnose.call_args.args[-1] is read_url.return_value


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
    ended = make_facts()
    target.facts.side_effect = [RUNNING, RUNNING, ended]
    assert settled(target, RUNNING) is ended
    assert target.facts.call_args.kwargs == {"fetch": False}
    target.screen.notice.assert_called_once()
    assert "pid 4711" in target.screen.notice.call_args.args[0]


def test_another_session_is_shown_too(mocker: MockerFixture) -> None:
    mocker.patch("ops.actions.changes.time.sleep")
    target = mocker.Mock()
    other = make_facts(sessions=[session(pid=4712, holds_lock=True)])
    target.facts.side_effect = [other, other, make_facts()]
    settled(target, RUNNING)
    shown = [call.args[0] for call in target.screen.notice.call_args_list]
    assert ["pid 4711" in text for text in shown] == [True, False]


def test_where_nothing_runs_the_facts_are_those_that_are_there(mocker: MockerFixture) -> None:
    target = mocker.Mock()
    facts = make_facts()
    assert settled(target, facts) is facts
    assert target.mock_calls == []


def test_it_is_not_waited_for_for_ever(mocker: MockerFixture) -> None:
    mocker.patch("ops.actions.changes.time.sleep")
    mocker.patch("ops.actions.changes.time.monotonic", side_effect=[0.0, 599.0, 601.0])
    target = mocker.Mock()
    target.facts.return_value = RUNNING
    with pytest.raises(Busy, match="still running after 600 s") as error:
        settled(target, RUNNING)
    assert int(error.value.exit_code) == 5
    assert target.facts.call_count == 1


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
