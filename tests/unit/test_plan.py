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
    decidable,
    manual_values,
    plan_backup,
    plan_deploy,
    plan_recover,
    plan_resolve,
)
from ops.proof.remedy import Diagnosis, Remedy
from ops.proof.verdict import (
    Conflicting,
    FullyApplied,
    NothingApplied,
    PartlyApplied,
    Undecidable,
    Undetermined,
    Verdict,
)
from ops.steps.prisma import Direction
from tests.unit.factories import (
    COMMIT_HEAD,
    COMMIT_MAIN,
    DIGEST,
    FAILED_AT,
    HEART,
    INIT,
    NO_SCRATCH,
    NOW,
    PULLED,
    SQL,
    app,
    behind,
    environment,
    found_by_testimony,
    lock,
    make_facts,
    past,
    proved,
    row,
    rungs_of,
    session,
    tree,
    unproved,
)

NEW = "20240501000000_new"
CORRECTED = {**SQL, HEART: b"ALTER TABLE a ADD IF NOT EXISTS heart int;\n"}
DUMP = "pg_dump -w -F p --lock-wait-timeout=60s -f /opt/school/backups/pre-migration-"


def recovered(facts: Facts, because: str | None = None) -> Decision:
    return plan_recover(facts, found_by_testimony(facts), because)


def deployed(facts: Facts) -> Decision:
    return plan_deploy(facts, found_by_testimony(facts))


def resolved(facts: Facts, name: str, direction: Direction, because: str | None = None) -> Decision:
    return plan_resolve(facts, found_by_testimony(facts), name, direction, because)


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
    assert names(recovered(facts, "a reason")) == steps


def test_the_commands_are_shown_as_they_will_run() -> None:
    decision = recovered(behind(CORRECTED, row()))
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
    decision = recovered(facts, "a reason")
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
    decision = recovered(facts)
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
        "recover": recovered(facts),
        "deploy": deployed(facts),
        "resolve": resolved(facts, HEART, "rolled-back"),
    }
    assert (decided[plan] == Wait((seen,))) is waits


def test_a_session_that_runs_a_script_with_other_line_ends_is_seen() -> None:
    text = b"UPDATE a\r\nSET heart = 1;\r\n"
    facts = make_facts(
        row(), contents={"x": text}, sessions=[session(query="UPDATE a\nSET heart = 1;")]
    )
    assert isinstance(recovered(facts), Wait)


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
    assert type(recovered(facts)) is recover
    assert type(deployed(facts)) is deploy


def test_deploy_does_not_pass_over_a_failed_migration() -> None:
    decision = deployed(make_facts(row(id="1"), row(id="2"), row(NEW, b"x")))
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
        (make_facts(UNKNOWN), False, NO_SCRATCH),
    ],
)
def test_only_what_is_proved_and_was_not_tried_twice_runs_by_itself(
    facts: Facts, automatic: bool, reason: str, because: str | None
) -> None:
    decision = recovered(facts, because)
    if automatic or because:
        assert isinstance(decision, Plan)
        return
    assert isinstance(decision, Refusal)
    assert reason in decision.reasons[0]


def test_a_refusal_shows_what_is_known() -> None:
    decision = recovered(make_facts(UNKNOWN, row(NEW, b"x")))
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
        (
            behind({**SQL, "20240115000000_late": b""}, row(state="applied")),
            f"20240115000000_late comes before {HEART}, which is applied: it will run after it",
        ),
        (
            make_facts(row(state="applied", id="x"), row(state="applied", id="y")),
            f"{HEART} is recorded as applied 2 times",
        ),
    ],
)
def test_what_a_person_should_know_is_noted(facts: Facts, note: str) -> None:
    decision = recovered(facts)
    assert isinstance(decision, Plan | Healthy)
    assert [text for text in decision.notes if note in text], decision.notes


def test_nothing_is_noted_without_need() -> None:
    same = app({**SQL, INIT: SQL[INIT].replace(b"\n", b"\r\n")})
    assert recovered(make_facts(main_app=same)) == Healthy(())
    decision = recovered(make_facts(row()))
    assert isinstance(decision, Plan)
    assert decision.notes == ()


def test_a_first_deployment_says_that_everything_will_run() -> None:
    decision = deployed(make_facts(ledger=None, tables=0))
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
    # A reason does not help against Prisma.
    decision = resolved(make_facts(*rows, **changes), HEART, direction, "a reason")
    if reason:
        assert isinstance(decision, Refusal)
        assert any(reason in text for text in decision.reasons), decision.reasons
    else:
        assert names(decision) == ["backup", f"resolve-{direction}"]


def test_resolve_shows_the_evidence_of_its_migration_only() -> None:
    decision = resolved(make_facts(row(), row(NEW, b"x", id="z")), HEART, "rolled-back")
    assert isinstance(decision, Plan)
    assert [verdict.name for verdict in decision.verdicts] == [HEART]
    values = decision.steps[1].script.values
    assert str(values["open_rows"]).split()[-1] == "z", "all open rows are expected"


# --- what was proved on a copy, as steps ---

SCRIPT_3 = """\
ALTER TABLE a ADD heart int;

BEGIN;
UPDATE a SET heart = 1;
ALTER TABLE a ALTER heart SET NOT NULL;
COMMIT;
CREATE INDEX CONCURRENTLY "a;b" ON a (heart)"""
RUNGS = rungs_of(SCRIPT_3)
RESUME = Remedy("resume", HEART, RUNGS, 1, ('public."a;b"',))
MARK = Remedy("mark applied", HEART)
RERUN = Remedy("rerun", HEART)
DROP = Remedy("rerun", HEART, drop=("public.i", "public.j"))
WITH_NEW = {**SQL, NEW: b""}


def planned(facts: Facts, found: Diagnosis, because: str | None = None) -> Plan:
    decision = plan_recover(facts, found, because)
    assert isinstance(decision, Plan), decision
    return decision


@pytest.mark.parametrize(
    ("facts", "remedies", "steps"),
    [
        (make_facts(row()), [RESUME], ["backup", "resume", "resolve-applied"]),
        (
            behind(WITH_NEW, row()),
            [RESUME],
            ["backup", "checkout", "resume", "resolve-applied", "deploy"],
        ),
        (make_facts(row()), [MARK], ["backup", "resolve-applied"]),
        (behind(WITH_NEW, row()), [MARK], ["backup", "checkout", "resolve-applied", "deploy"]),
        (make_facts(row()), [RERUN], ["backup", "resolve-rolled-back", "deploy"]),
        (make_facts(row()), [DROP], ["backup", "drop-invalid", "resolve-rolled-back", "deploy"]),
        # Recorded as rolled back by somebody: what is in is recorded, what is not runs again.
        (make_facts(row(state="rolled back")), [RESUME], ["backup", "resume", "resolve-applied"]),
        (make_facts(row(state="rolled back")), [MARK], ["backup", "resolve-applied"]),
        (make_facts(row(state="rolled back")), [RERUN], ["backup", "deploy"]),
        (make_facts(row(state="rolled back")), [DROP], ["backup", "drop-invalid", "deploy"]),
        # Two that failed: all statements first, then the ledger, then what is left.
        (
            behind(WITH_NEW, row(), row(NEW, b"", id="z")),
            [RESUME, Remedy("rerun", NEW, drop=("public.k",))],
            [
                "backup",
                "checkout",
                "resume",
                "drop-invalid",
                "resolve-applied",
                "resolve-rolled-back",
                "deploy",
            ],
        ),
        (
            behind(WITH_NEW, row(), row(NEW, b"", id="z")),
            [MARK, Remedy("mark applied", NEW)],
            ["backup", "checkout", "resolve-applied", "resolve-applied"],
        ),
        # One that is not on main is closed all the same.
        (
            make_facts(row(), main_app=app({INIT: SQL[INIT]})),
            [RERUN],
            ["backup", "resolve-rolled-back", "deploy"],
        ),
    ],
)
def test_a_remedy_becomes_these_steps(
    facts: Facts, remedies: list[Remedy], steps: list[str]
) -> None:
    plan = planned(facts, proved(*remedies))
    assert [step.name for step in plan.steps] == steps
    titles = [step.title for step in plan.steps if step.name == "deploy"]
    ended = {remedy.name for remedy in remedies if remedy.kind != "rerun"}
    assert not [name for name in ended for title in titles if name in title]


def test_what_is_resumed_is_named_statement_by_statement() -> None:
    step = planned(make_facts(row()), proved(RESUME)).steps[1]
    assert step.title == f"run the rest of {HEART}: statements 2 to 3 of 3"
    assert step.commands == (
        'psql: INVALID index: DROP INDEX CONCURRENTLY public."a;b"',
        "psql: statement 2 of 3, line 3: BEGIN, UPDATE, ALTER TABLE, COMMIT: "
        + "; ".join(statement.text for statement in RUNGS[1].statements),
        f"psql: statement 3 of 3, line 7: CREATE INDEX: {RUNGS[2].statements[0].text}",
    )
    assert step.success == ("statements complete: 3",)
    assert step.writes_database


def test_only_invalid_indexes_are_dropped_before_a_rerun() -> None:
    step = planned(make_facts(row()), proved(DROP)).steps[1]
    assert step.title == f"drop the INVALID indexes that {HEART} left"
    assert step.commands == (
        "psql: INVALID index: DROP INDEX CONCURRENTLY public.i",
        "psql: INVALID index: DROP INDEX CONCURRENTLY public.j",
    )


@pytest.mark.parametrize(
    ("facts", "remedies", "first"),
    [
        (behind(WITH_NEW, row()), [RESUME], "resume"),
        (make_facts(row()), [DROP], "drop-invalid"),
        (behind(WITH_NEW, row()), [MARK], "resolve-applied"),
        (behind(WITH_NEW, row()), [RERUN], "resolve-rolled-back"),
        (make_facts(row(state="rolled back")), [RERUN], "deploy"),
        (behind(WITH_NEW), [], "deploy"),
    ],
)
def test_the_first_step_that_changes_the_database_compares_the_catalog(
    facts: Facts, remedies: list[Remedy], first: str
) -> None:
    steps = planned(facts, proved(*remedies)).steps
    writing = [step for step in steps if step.writes_database]
    assert writing[0].name == first
    assert [step.script.values["digest"] for step in writing] == [DIGEST] + [""] * (
        len(writing) - 1
    )
    assert "pg_class" in str(writing[0].script.values["catalog_sql"])
    assert not any(step.script.values["catalog_sql"] for step in writing[1:])
    assert not any("digest" in step.script.values for step in steps if not step.writes_database)


def test_without_a_reading_nothing_is_compared() -> None:
    facts = make_facts(row())
    for step in planned(facts, proved(RERUN, digest="")).steps[1:]:
        assert (step.script.values["digest"], step.script.values["catalog_sql"]) == ("", "")


def test_every_step_expects_the_rows_that_are_open_just_then() -> None:
    facts = behind(WITH_NEW, row(id="b"), row(id="a"), row(NEW, b"", id="c"))
    drop = Remedy("rerun", NEW, drop=("public.k",))
    steps = planned(facts, proved(RESUME, drop)).steps
    assert [
        (step.name, step.script.values["open_rows"]) for step in steps if step.writes_database
    ] == [
        ("resume", "a b c"),
        ("drop-invalid", "a b c"),
        ("resolve-applied", "a b c"),
        ("resolve-rolled-back", "c"),
        ("deploy", ""),
    ]


def test_a_plan_carries_what_was_proved_and_noted() -> None:
    verdict = PartlyApplied(HEART, (), ("as on the copy",), 1, RUNGS)
    found = proved(RESUME, verdicts=(verdict,), notes=("drift: 2",), proof=("on a copy",))
    plan = planned(make_facts(row()), found)
    assert (plan.verdicts, plan.proof, plan.notes) == ((verdict,), ("on a copy",), ("drift: 2",))


@pytest.mark.parametrize("tried", [True, False])
def test_what_is_not_proved_is_refused_and_a_reason_carries_it_out(tried: bool) -> None:
    facts = make_facts(row())
    verdict = Undetermined(HEART, (), ("no copy",))
    found = unproved("it did not end in the target", verdicts=(verdict,), tried=tried)
    assert plan_recover(facts, found) == Refusal(
        ("it did not end in the target",), (verdict,), explained=True
    )
    plan = planned(facts, found, "I looked")
    assert [step.name for step in plan.steps] == ["backup", "resolve-rolled-back", "deploy"]
    assert plan.notes == ("NOT PROVED: it did not end in the target",)
    assert plan.proof == ()


def test_a_reason_does_not_put_aside_what_was_proved() -> None:
    plan = planned(make_facts(row()), proved(RESUME), "I looked")
    assert [step.name for step in plan.steps] == ["backup", "resume", "resolve-applied"]
    assert plan.notes == ()


def test_what_is_pending_and_does_not_end_well_is_refused_without_a_runbook() -> None:
    # Nothing has failed, so there is nothing to mend by hand.
    decision = plan_recover(behind(WITH_NEW), unproved(f"{NEW}: line 1 fails on a copy"))
    assert decision == Refusal((f"{NEW}: line 1 fails on a copy",), (), explained=False)


@pytest.mark.parametrize(
    ("remedy", "kind"), [(RESUME, Plan), (MARK, Plan), (RERUN, Refusal), (DROP, Refusal)]
)
def test_only_to_run_the_script_again_is_an_attempt_more(remedy: Remedy, kind: type) -> None:
    facts = make_facts(*attempts(2))
    assert type(plan_recover(facts, proved(remedy))) is kind
    assert isinstance(plan_recover(facts, proved(remedy), "I looked"), Plan)


def test_deploy_goes_on_with_a_loud_note_where_nothing_could_be_tried() -> None:
    facts = behind(WITH_NEW)
    decision = plan_deploy(facts, unproved(NO_SCRATCH, tried=False, digest=""))
    assert names(decision) == ["backup", "checkout", "deploy"]
    assert isinstance(decision, Plan)
    assert decision.notes == (f"NOT PROVED: {NO_SCRATCH}",)


def test_deploy_refuses_what_was_tried_and_did_not_end_well() -> None:
    reason = f"{NEW}: line 1 fails on a copy"
    assert plan_deploy(behind(WITH_NEW), unproved(reason)) == Refusal((reason,))


def test_deploy_shows_the_proof() -> None:
    decision = plan_deploy(behind(WITH_NEW), proved())
    assert isinstance(decision, Plan)
    assert decision.proof == proved().proof
    assert decision.notes == ()


@pytest.mark.parametrize(
    ("facts", "worth_it"),
    [
        (make_facts(row()), True),
        (make_facts(row(state="rolled back")), True),
        (behind(WITH_NEW), True),
        (make_facts(), False),
        (make_facts(main=tree(COMMIT_MAIN), behind=1), False),
        (make_facts(row(), sessions=[LOCK_HOLDER]), False),
        (make_facts(row(), unpushed=1), False),
        (make_facts(ledger=None, tables=0), False),
        (make_facts(ledger=None), False),
    ],
)
def test_copies_are_made_only_where_they_decide_something(facts: Facts, worth_it: bool) -> None:
    assert decidable(facts) is worth_it


# --- resolve against the verdict ---

VERDICTS: list[tuple[Verdict, Direction, str]] = [
    (NothingApplied(HEART, (), ()), "applied", "nothing of it is in the database"),
    (NothingApplied(HEART, (), ()), "rolled-back", ""),
    (FullyApplied(HEART, (), ()), "rolled-back", "all of it is in the database"),
    (FullyApplied(HEART, (), ()), "applied", ""),
    (PartlyApplied(HEART, (), (), 1, RUNGS), "applied", "1 of its 3 statements are in"),
    (PartlyApplied(HEART, (), (), 1, RUNGS), "rolled-back", "1 of its 3 statements are in"),
    (Conflicting(HEART, (), (), ()), "applied", "is not as it would be after any"),
    (Conflicting(HEART, (), (), ()), "rolled-back", ""),
    (Undecidable(HEART, (), (), (0, 1), RUNGS), "applied", ""),
    (Undetermined(HEART, (), ()), "applied", ""),
    # What is known of another one does not matter.
    (NothingApplied(NEW, (), ()), "applied", ""),
]


@pytest.mark.parametrize(("verdict", "direction", "against"), VERDICTS)
def test_resolve_does_not_contradict_the_verdict_without_a_reason(
    verdict: Verdict, direction: Direction, against: str
) -> None:
    facts = make_facts(row())
    found = proved(verdicts=(verdict,))
    decision = plan_resolve(facts, found, HEART, direction)
    if against:
        assert isinstance(decision, Refusal)
        assert len(decision.reasons) == 1
        assert decision.reasons[0].startswith(f"{HEART}: ")
        assert against in decision.reasons[0]
        assert decision.reasons[0].endswith('; if you know better: --because "..."')
        assert decision.verdicts == (verdict,)
    else:
        assert names(decision) == ["backup", f"resolve-{direction}"]
    decision = plan_resolve(facts, found, HEART, direction, "I know better")
    assert names(decision) == ["backup", f"resolve-{direction}"]
    assert isinstance(decision, Plan)
    assert decision.steps[1].script.values["digest"] == DIGEST


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
    decision = recovered(facts, "a reason")
    assert isinstance(decision, Plan)
    install = next(step for step in decision.steps if step.name == "install")
    assert install.commands == ("pnpm install --frozen-lockfile --prod=false",)
    assert facts.environment == environment()
