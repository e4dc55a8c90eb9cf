"""Git's whole history is asked only for scripts that the ledger has and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ops.facts.past import with_past
from tests.unit.factories import HEART, SQL, blob, make_facts, row

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

    from ops.facts.database import LedgerRow

OLD = b"SELECT 'an old version';\n"


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (row(), False),
        (row(content=SQL[HEART].replace(b"\n", b"\r\n")), False),
        (row(content=OLD), True),
        (row(content=OLD, state="rolled back"), True),
    ],
)
def test_git_is_asked_only_for_what_is_not_known(
    known: LedgerRow, found: bool, mocker: MockerFixture
) -> None:
    facts = make_facts(known)
    host = mocker.Mock()
    host.run.return_value.checked.return_value = b"beef blob %d\n%s\n" % (len(OLD), OLD)
    after = with_past(facts, host)
    assert host.run.called is found
    if found:
        assert after.git.contents == {**facts.git.contents, "beef": OLD}
        assert after.database is facts.database
    else:
        assert after is facts


def test_without_a_ledger_nothing_is_asked(mocker: MockerFixture) -> None:
    facts = make_facts(ledger=None)
    host = mocker.Mock()
    assert with_past(facts, host) is facts
    host.run.assert_not_called()
    assert blob(OLD) not in facts.git.contents
