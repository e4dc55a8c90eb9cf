"""Facts in, plan out: which steps, in which order, and when there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ops.facts.app import Installed
from ops.facts.database import LedgerRow
from ops.facts.gather import Facts
from ops.facts.tools import Tool
from ops.plan import (
    Decision,
    Healthy,
    Plan,
    Refusal,
    Wait,
    manual_values,
    plan_backup,
    plan_deploy,
    plan_recover,
    plan_resolve,
)
from ops.proof.verdict import NothingApplied, Undetermined
from ops.steps.prisma import Direction
from tests.unit.factories import (
    COMMIT_HEAD,
    COMMIT_MAIN,
    FAILED_AT,
    HEART,
    INIT,
    NOW,
    PULLED,
    SQL,
    app,
    behind,
    environment,
    lock,
    make_facts,
    past,
    row,
    session,
    tree,
)

NEW = "20240501000000_new"
CORRECTED = {**SQL, HEART: b"ALTER TABLE a ADD IF NOT EXISTS heart int;\n"}
DUMP = "pg_dump -w -F p --lock-wait-timeout=60s -f /opt/school/backups/pre-migration-"


def names(decision: Decision) -> list[str]:
    assert isinstance(decision, Plan), decision
    return [step.name for step in decision.steps]


@pytest.mark.parametrize(
    ("facts", "steps"),
    [
        (make_facts(row()), ["backup", "resolve-rolled-back", "deploy"]),
        (behind(CORRECTED, row()), ["backup", "checkout", "resolve-rolled-back", "deploy"]),
        (behind({**SQL, NEW: b""}), ["backup", "checkout", "deploy"]),
        (
            make_facts(row(), branch=None),
            ["backup", "checkout", "resolve-rolled-back", "deploy"],
        ),
        (
            make_facts(row(), branch="hotfix"),
            ["backup", "checkout", "resolve-rolled-back", "deploy"],
        ),
        (
            make_facts(row(), head=tree(locks=(lock("6.19.4"),))),
            ["backup", "install", "resolve-rolled-back", "deploy"],
        ),
        (
            make_facts(row(), row(NEW, b"x"), past={COMMIT_HEAD: past((*SQL.values(), b"x"))}),
            ["backup", "resolve-rolled-back", "resolve-rolled-back", "deploy"],
        ),
        (make_facts(row(id="1"), row(id="2")), ["backup", "resolve-rolled-back", "deploy"]),
        (make_facts(row(state="rolled back")), ["backup", "deploy"]),
    ],
)
def test_a_recovery_has_exactly_these_steps(facts: Facts, steps: list[str]) -> None:
    assert names(plan_recover(facts, "a reason")) == steps


def test_the_commands_are_shown_as_they_will_run() -> None:
    decision = plan_recover(behind(CORRECTED, row()))
    assert isinstance(decision, Plan)
    schema = "--schema=prisma/schema.prisma"
    assert [step.commands for step in decision.steps] == [
        (f"{DUMP}20240601T120000Z.sql",),
        (f"git merge --ff-only {COMMIT_MAIN[:10]}",),
        (f"node_modules/.bin/prisma migrate resolve --rolled-back {HEART} {schema}",),
        (f"node_modules/.bin/prisma migrate deploy {schema}",),
    ]
    assert [step.writes_database for step in decision.steps] == [False, False, True, True]
    assert isinstance(decision.verdicts[0], NothingApplied)


def test_each_resolve_expects_the_rows_that_are_open_just_then() -> None:
    facts = make_facts(row(id="b"), row(id="a"), row(NEW, b"x", id="c"))
    decision = plan_recover(facts, "a reason")
    assert isinstance(decision, Plan)
    rows = [step.script.values["open_rows"] for step in decision.steps if step.writes_database]
    assert rows == ["a b c", "c", ""]


@pytest.mark.parametrize(
    ("facts", "titled"),
    [
        (behind({**SQL, NEW: b""}, row()), f"run the pending migrations: {HEART}, {NEW}"),
        (
            make_facts(row(), main_app=app({INIT: SQL[INIT]})),
            "migrate deploy: nothing pending",
        ),
    ],
)
def test_deploy_names_what_it_will_run(facts: Facts, titled: str) -> None:
    decision = plan_recover(facts)
    assert isinstance(decision, Plan)
    assert decision.steps[-1].title == titled


LOCK_HOLDER = session(holds_lock=True, state="idle", query="SELECT 1")
SCRIPT = SQL[HEART].decode()


@pytest.mark.parametrize(
    ("seen", "waits"),
    [
        (LOCK_HOLDER, True),
        (session(waits_for_lock=True), True),
        (session(query=SCRIPT), True),
        (session(query=f"\n {SCRIPT}  "), True),
        (session(query=SCRIPT[: len(SCRIPT) // 2]), True),
        (session(query=SCRIPT, state="idle"), False),
        (session(query="ALTER TABLE"), False),
        (session(query=None), False),
        (session(query="SELECT * FROM somewhere_else"), False),
    ],
)
@pytest.mark.parametrize("plan", ["recover", "deploy", "resolve"])
def test_nothing_is_judged_while_a_migration_runs(plan: str, seen: Any, waits: bool) -> None:
    facts = make_facts(row(), sessions=[session(query="SELECT 1"), seen])
    decided = {
        "recover": plan_recover(facts),
        "deploy": plan_deploy(facts),
        "resolve": plan_resolve(facts, HEART, "applied"),
    }
    assert (decided[plan] == Wait((seen,))) is waits


def test_a_session_that_runs_a_script_with_other_line_ends_is_seen() -> None:
    text = b"UPDATE a\r\nSET heart = 1;\r\n"
    facts = make_facts(
        row(), contents={"x": text}, sessions=[session(query="UPDATE a\nSET heart = 1;")]
    )
    assert isinstance(plan_recover(facts), Wait)


@pytest.mark.parametrize(
    ("facts", "recover", "deploy"),
    [
        (make_facts(), Healthy, Healthy),
        (make_facts(branch=None), Healthy, Healthy),
        (make_facts(main=tree(COMMIT_MAIN), behind=1), Healthy, Plan),
        (make_facts(row()), Plan, Refusal),
        (behind({**SQL, NEW: b""}), Plan, Plan),
        # What cannot be told is not called healthy.
        (make_facts(main_app=app({})), Refusal, Refusal),
        (make_facts(main_app=app({}, schema_found=False)), Refusal, Refusal),
        (make_facts(ledger=None), Refusal, Refusal),
        (make_facts(ledger=[row("shop", b"", state="applied")]), Refusal, Refusal),
        (make_facts(schema_exists=False, tables=0), Refusal, Refusal),
        # An empty database is a new one, or the wrong one.
        (make_facts(ledger=None, tables=0), Refusal, Plan),
        (make_facts(ledger=[], tables=0), Refusal, Plan),
        # In health the host may have flaws that matter only when something is to be done.
        (make_facts(pg_dump=Tool("", "x"), unpushed=1), Healthy, Healthy),
        (make_facts(row(), pg_dump=Tool("", "x")), Refusal, Refusal),
    ],
)
def test_what_recover_and_deploy_decide(facts: Facts, recover: type, deploy: type) -> None:
    assert type(plan_recover(facts)) is recover
    assert type(plan_deploy(facts)) is deploy


def test_deploy_does_not_pass_over_a_failed_migration() -> None:
    decision = plan_deploy(make_facts(row(id="1"), row(id="2"), row(NEW, b"x")))
    assert isinstance(decision, Refusal)
    assert decision.reasons == (f"a migration has failed before: {HEART}, {NEW}: use recover",)
    assert len(decision.verdicts) == 2


def attempts(count: int, content: bytes | None = None) -> list[LedgerRow]:
    """Return attempts of which the last is open."""
    times = [FAILED_AT - timedelta(minutes=count - number) for number in range(count)]
    states = ["rolled back"] * (count - 1) + ["failed"]
    return [
        row(HEART, content, state=state, at=at) for state, at in zip(states, times, strict=True)
    ]


UNKNOWN = row(logs=None)


@pytest.mark.parametrize("because", [None, "the table is not there, I looked"])
@pytest.mark.parametrize(
    ("facts", "automatic", "reason"),
    [
        (make_facts(*attempts(1)), True, ""),
        (make_facts(*attempts(2)), False, f"{HEART}: this same script has failed 2 times"),
        (make_facts(*attempts(5)), False, f"{HEART}: this same script has failed 5 times"),
        # Corrected on main: another script, so its attempts begin anew.
        (behind(CORRECTED, *attempts(4)), True, ""),
        (make_facts(*attempts(2), main_app=app({INIT: SQL[INIT]})), True, ""),
        (make_facts(*attempts(2), main_app=app({**SQL, HEART: SQL[HEART] + b"x"})), True, ""),
        (
            make_facts(
                *attempts(2), main_app=app({**SQL, HEART: b"ALTER TABLE a ADD heart int;\r\n"})
            ),
            False,
            "has failed 2 times",
        ),
        # A restart loop leaves nothing open.
        (
            make_facts(row(state="rolled back", id="1"), row(state="rolled back", id="2")),
            False,
            "has failed 2 times",
        ),
        (make_facts(UNKNOWN), False, f"{HEART}: it is not known what of it is in the database"),
    ],
)
def test_only_what_is_proved_and_was_not_tried_twice_runs_by_itself(
    facts: Facts, automatic: bool, reason: str, because: str | None
) -> None:
    decision = plan_recover(facts, because)
    if automatic or because:
        assert isinstance(decision, Plan)
        return
    assert isinstance(decision, Refusal)
    assert reason in decision.reasons[0]


def test_a_refusal_shows_what_is_known() -> None:
    decision = plan_recover(make_facts(UNKNOWN, row(NEW, b"x")))
    assert isinstance(decision, Refusal)
    assert [verdict.name for verdict in decision.verdicts] == [HEART, NEW]
    assert all(isinstance(verdict, Undetermined) for verdict in decision.verdicts)


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        (
            make_facts(row(), main_app=app({INIT: SQL[INIT]})),
            f"{HEART} is not on main: it will not",
        ),
        (make_facts(main_app=app({INIT: SQL[INIT]})), f"in the ledger, not on main: {HEART}"),
        (
            make_facts(main_app=app({**SQL, INIT: b"other"})),
            f"{INIT} was edited after it was applied: the change is not in the database",
        ),
        (
            make_facts(main=tree(COMMIT_MAIN), behind=3),
            "the checkout is 3 commits behind, without new migrations",
        ),
        (make_facts(row(state="rolled back")), f"{HEART} was tried before and recorded as rolled"),
    ],
)
def test_what_a_person_should_know_is_noted(facts: Facts, note: str) -> None:
    decision = plan_recover(facts)
    assert isinstance(decision, Plan | Healthy)
    assert [text for text in decision.notes if note in text], decision.notes


def test_nothing_is_noted_without_need() -> None:
    same = app({**SQL, INIT: SQL[INIT].replace(b"\n", b"\r\n")})
    assert plan_recover(make_facts(main_app=same)) == Healthy(())
    decision = plan_recover(make_facts(row()))
    assert isinstance(decision, Plan)
    assert decision.notes == ()


def test_a_first_deployment_says_that_everything_will_run() -> None:
    decision = plan_deploy(make_facts(ledger=None, tables=0))
    assert isinstance(decision, Plan)
    assert decision.notes == ("the database is empty: all 2 migrations will run",)


ROLLED_BACK, APPLIED = row(state="rolled back"), row(state="applied")


@pytest.mark.parametrize(
    ("direction", "rows", "changes", "reason"),
    [
        ("rolled-back", [row()], {}, ""),
        ("applied", [row()], {}, ""),
        ("rolled-back", [row(), ROLLED_BACK], {}, ""),
        ("applied", [row(logs=None)], {}, ""),
        ("rolled-back", [row(NEW, b"x")], {}, f"the ledger has no migration '{HEART}' (P3011)"),
        ("applied", [row(NEW, b"x")], {}, f"give the whole name; failed: {NEW}"),
        ("applied", [row(), APPLIED], {}, f"{HEART} is recorded as applied already (P3008)"),
        ("applied", [APPLIED], {}, "(P3008); none has failed"),
        ("rolled-back", [APPLIED], {}, "not in a failed state (P3012): it is recorded as applied"),
        ("rolled-back", [ROLLED_BACK], {}, "(P3012): it is recorded as rolled back"),
        ("applied", [row()], {"head_app": app({INIT: b""})}, "not in the checkout (P3017)"),
        ("applied", [row()], {"head_app": app({HEART: None})}, "not in the checkout (P3017)"),
        ("rolled-back", [row()], {"head_app": app({INIT: b""})}, ""),
        ("applied", [], {"ledger": None}, "has no ledger: is this the right database?"),
        ("applied", [row()], {"standby": True}, "is a standby"),
        ("applied", [row()], {"installed": "8.0.0"}, "Prisma 8.0 has no"),
        ("applied", [row()], {"pg_dump": Tool("", "gone")}, "pg_dump: gone"),
        ("applied", [row()], {"url": "postgresql://a:b@h:6543/d"}, "connection pooler"),
        # The checkout is not touched, so its state is no obstacle.
        ("applied", [row()], {"changed": ("a",), "unpushed": 1}, ""),
    ],
)
def test_prismas_own_refusals_are_foreseen(
    direction: Direction, rows: list[LedgerRow], changes: dict[str, Any], reason: str
) -> None:
    decision = plan_resolve(make_facts(*rows, **changes), HEART, direction)
    if reason:
        assert isinstance(decision, Refusal)
        assert any(reason in text for text in decision.reasons), decision.reasons
    else:
        assert names(decision) == ["backup", f"resolve-{direction}"]


def test_resolve_shows_the_evidence_of_its_migration_only() -> None:
    decision = plan_resolve(make_facts(row(), row(NEW, b"x", id="z")), HEART, "rolled-back")
    assert isinstance(decision, Plan)
    assert [verdict.name for verdict in decision.verdicts] == [HEART]
    values = decision.steps[1].script.values
    assert str(values["open_rows"]).split()[-1] == "z", "all open rows are expected"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Plan),
        ({"standby": True, "unpushed": 1, "ledger": None, "installed": None}, Plan),
        ({"sessions": [LOCK_HOLDER]}, Plan),
        ({"pg_dump": Tool("", "x")}, Refusal),
        ({"free_backups": 0}, Refusal),
    ],
)
def test_a_backup_needs_nothing_but_the_tool_and_the_room(changes: Any, kind: type) -> None:
    decision = plan_backup(make_facts(row(), **changes), "asked for")
    assert type(decision) is kind
    if isinstance(decision, Plan):
        assert names(decision) == ["backup"]
        assert '"why": "asked for"' in str(decision.steps[0].script.values["card"])


def test_the_runbook_is_filled_in_with_what_a_shell_can_take() -> None:
    name = "2024_it's $(mine) copy"
    facts = behind({**SQL, name: b""}, row(), directory="/opt/my school")
    values = manual_values(facts, "prod", "deploy@app", name)
    assert values["name"] == name
    assert values["quoted_name"] == "'2024_it'\"'\"'s $(mine) copy'"
    assert values["directory"] == "'/opt/my school'"
    path = "Backend/prisma/migrations/2024_it'\"'\"'s $(mine) copy/migration.sql"
    assert values["show"] == f"git show '{COMMIT_MAIN[:10]}:{path}'"
    assert values["quoted_name"] in values["applied"]


def test_a_script_that_is_not_on_main_is_shown_from_the_checkout() -> None:
    facts = behind({INIT: SQL[INIT]}, row(), head_app=app({**SQL}))
    shown = manual_values(facts, "prod", "x", HEART)["show"]
    assert shown.startswith(f"git show {COMMIT_HEAD[:10]}:")
    shown = manual_values(replace(facts, main=app()), "prod", "x", HEART)["show"]
    assert shown.startswith(f"git show {COMMIT_MAIN[:10]}:")
    shown = manual_values(facts, "prod", "x", "old one")["show"]
    assert shown == "git log --all -p -- ':/Backend/prisma/migrations/old one/migration.sql'"


def test_packages_of_another_manager_are_installed_with_it() -> None:
    locks = (lock("6.19.4", "pnpm-lock.yaml"),)
    installed = Installed("/opt/school/repo", "6.19.3", PULLED)
    facts = make_facts(row(), head=tree(locks=locks), installed=installed, at=NOW)
    decision = plan_recover(facts, "a reason")
    assert isinstance(decision, Plan)
    install = next(step for step in decision.steps if step.name == "install")
    assert install.commands == ("pnpm install --frozen-lockfile --prod=false",)
    assert facts.environment == environment()
