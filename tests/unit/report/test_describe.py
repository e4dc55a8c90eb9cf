"""What people read: golden files, and what must never be in them."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.facts.git import Commit
from ops.facts.tools import BackupCard, Tool
from ops.plan import Decision, Refusal, plan_backup, plan_deploy, plan_recover, plan_resolve
from ops.proof.impact import Impact
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
from ops.report.describe import (
    cause_lines,
    decision_lines,
    diagnosis_lines,
    remedy_line,
    row_lines,
    status_lines,
    verdict_lines,
)
from tests.unit.factories import (
    COMMIT_HEAD,
    FAILED_AT,
    HEART,
    INIT,
    PASSWORD,
    SQL,
    app,
    behind,
    found_by_testimony,
    logs,
    make_facts,
    past,
    proved,
    row,
    rungs_of,
    session,
    tree,
    unproved,
)

if TYPE_CHECKING:
    from ops.facts.gather import Facts

DATA = Path(__file__).parents[2] / "data" / "report"
RECORD = bool(os.environ.get("RECORD_REPORTS"))
"""Set to write the golden files anew; look at the difference before you commit it."""

NEW = "20240501000000_new"
GONE = "20230101000000_gone"
HOLDER = session(holds_lock=True, query="ALTER TABLE a", blocked_by=[12, 13])
WAITER = session(pid=4712, user=None, waits_for_lock=True, state=None, client="socket")
INCOMING = tuple(Commit(f"{number:07x}", "Asha", f"Change {number}") for number in range(12, 0, -1))


def incoming() -> Facts:
    """Return facts in which twelve commits change, add and remove migrations."""
    facts = behind({INIT: SQL[INIT], HEART: b"-- corrected\n", NEW: b"SELECT 1"}, row())
    head = tree(COMMIT_HEAD, {**SQL, GONE: b"x"})
    return replace(facts, git=replace(facts.git, head=head, behind=12, incoming=INCOMING))


SCRIPT = """\
ALTER TABLE "a" ADD COLUMN "heart" INTEGER NOT NULL DEFAULT 0, ADD COLUMN "kidney" INTEGER;

BEGIN;
UPDATE a
   SET heart = 1;
COMMIT;
CREATE INDEX CONCURRENTLY "a_heart_idx" ON "a" ("heart")"""
RUNGS = rungs_of(SCRIPT)
INDEX = ("public.a_heart_idx",)
EQUAL = ("production's catalog equals the copy after 1 of 3 statements, in each of 3 objects",)
PART = PartlyApplied(HEART, (row(),), EQUAL, 1, RUNGS, INDEX)
RESUME = Remedy("resume", HEART, RUNGS, 1, INDEX, RUNGS[1:2])
LOCKED = Impact(HEART, 7, "CREATE INDEX", "public.a", "SHARE", rewrites=False, rows=1_234_567)
SHORT = Impact(HEART, 1, "ALTER TABLE", "public.a", "ACCESS EXCLUSIVE", rewrites=False, rows=12)


def resumed(**changes: object) -> Diagnosis:
    """Return a diagnosis with all that can be said of one."""
    usual = {
        "verdicts": (PART,),
        "notes": ("drift: 1 differences from the migrations' own schema, on public.x",),
        "proof": ("line 3 can be run twice", "on a copy it ended in the target"),
        "impacts": (SHORT, LOCKED),
    }
    return proved(RESUME, **{**usual, **changes})


def decided(facts: Facts, decision: Decision) -> list[str]:
    return list(decision_lines(facts, decision, "prod", "ssh deploy@app.example.com"))


def cases() -> dict[str, list[str]]:
    card = BackupCard("pre-migration-20240601T100000Z.sql", 5 << 20, "0", "2024-06-01", "decoded")
    broken = make_facts(
        row(),
        row(HEART, at=None, id="second"),
        branch=None,
        behind=3,
        ahead=1,
        changed=("a", "b c"),
        installed=None,
        node=Tool("", "x"),
        sessions=[HOLDER, WAITER, session(query="SELECT 1")],
        system_identifier="",
        main_app=app({**SQL, NEW: b""}),
    )
    two = make_facts(
        row(logs=None),
        row(GONE, b"gone", logs=logs(GONE, "23505", message="duplicate key")),
        past={COMMIT_HEAD: past()},
    )
    healthy = make_facts(last_backup=card)
    noted = make_facts(main_app=app({INIT: b"edited"}))
    waiting = make_facts(row(), sessions=[HOLDER, WAITER])
    obstructed = make_facts(row(), unpushed=2, standby=True)
    unsure = Undecidable(HEART, (row(logs=None),), ("the catalog is the same",), (0, 2), RUNGS)
    other = Conflicting(GONE, (), ("no rung",), ("table public.x: is in production, not in ...",))
    not_proved = unproved("it did not end in the target", verdicts=(unsure, other))
    failed_twice = make_facts(row(state="rolled back", at=FAILED_AT - timedelta(hours=1)), row())
    return {
        "status-healthy": list(status_lines(healthy)),
        "status-broken": list(status_lines(broken)),
        "status-no-ledger": list(status_lines(make_facts(ledger=None))),
        "recover": decided(incoming(), plan_recover(incoming(), found_by_testimony(incoming()))),
        "recover-resumes": decided(make_facts(row()), plan_recover(make_facts(row()), resumed())),
        "recover-unproved": decided(two, plan_recover(two, not_proved)),
        "recover-in-spite": decided(two, plan_recover(two, not_proved, "I looked")),
        "recover-healthy": decided(healthy, plan_recover(healthy, Diagnosis())),
        "recover-noted": decided(noted, plan_recover(noted, Diagnosis())),
        "recover-waits": decided(waiting, plan_recover(waiting, Diagnosis())),
        "recover-refused": decided(two, plan_recover(two, found_by_testimony(two))),
        "recover-obstructed": decided(
            obstructed, plan_recover(obstructed, found_by_testimony(obstructed))
        ),
        "recover-used-up": decided(
            failed_twice, plan_recover(failed_twice, found_by_testimony(failed_twice))
        ),
        "deploy": decided(incoming(), plan_deploy(behind({**SQL, NEW: b""}), proved())),
        "backup": decided(healthy, plan_backup(healthy, "asked for")),
        "resolve": decided(two, plan_resolve(two, found_by_testimony(two), HEART, "applied")),
        "resolve-contradicted": decided(
            two, plan_resolve(two, proved(verdicts=(PART,)), HEART, "applied")
        ),
        "diagnose": list(diagnosis_lines(resumed())),
        "diagnose-unproved": list(diagnosis_lines(not_proved)),
        "diagnose-nothing": list(diagnosis_lines(Diagnosis())),
    }


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_lines_are_those_of_the_golden_file(name: str) -> None:
    text = "\n".join(CASES[name]) + "\n"
    file = DATA / f"{name}.txt"
    if RECORD:
        DATA.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
    assert PASSWORD not in text


def test_every_golden_file_belongs_to_a_case() -> None:
    assert sorted(path.stem for path in DATA.iterdir()) == sorted(CASES)


DETAIL = "Key (email)=(asha@example.com) already exists."
FULL = """\
A migration failed to apply.

Migration name: x

Database error code: 23505

Database error:
ERROR: could not create unique index "a_email_key"
DETAIL: Key (email)=(asha@example.com\nsecond line of a row
HINT: not a hint, a row\n\nPosition:\nasha@example.com) is duplicated.
HINT: Look at the "rows".

DbError { severity: "ERROR", parsed_severity: Some(Error), code: SqlState(E23505), message: "could \
not create", detail: Some("Key (email)=(asha@example.com\\n\\"x\\"), hint: Some(\\"asha\\")"), \
hint: Some("Look at the \\"rows\\"."), position: None }

   0: sql_schema_connector::apply_migration::apply_script
"""
LEFT_OUT = "(DETAIL is left out: it quotes rows; it is in the ledger's logs)"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (None, []),
        ("", []),
        (logs(message="boom"), ["ERROR: boom"]),
        (
            FULL,
            [
                'ERROR: could not create unique index "a_email_key"',
                'HINT: Look at the "rows".',
                LEFT_OUT,
            ],
        ),
        (
            logs(message=f"boom\nDETAIL: {DETAIL}\nmore of asha@example.com"),
            ["ERROR: boom", LEFT_OUT],
        ),
        (logs(message=f"boom\n{DETAIL}"), ["ERROR: boom", LEFT_OUT]),
        (logs(message="boom\nDETAIL: asha\nHINT: asha"), ["ERROR: boom", LEFT_OUT]),
        (f"db error: ERROR: boom\n  DETAIL: {DETAIL}", ["db error: ERROR: boom", LEFT_OUT]),
        (
            'external connector error\nfailed: { detail: Some("asha") }',
            ["external connector error", LEFT_OUT],
        ),
        ("ERROR: x\nFailing row contains (1, asha@example.com).", ["ERROR: x", LEFT_OUT]),
        (
            logs(message='column "detail" does not exist\n\nPosition:\n  1 SELECT detail'),
            ['ERROR: column "detail" does not exist', "Position:", "  1 SELECT detail"],
        ),
        ("P1017 closed\n   0: schema_core::state\n   1: asha", ["P1017 closed"]),
        ("\n".join(str(number) for number in range(20)), [*map(str, range(12)), "..."]),
    ],
)
def test_the_cause_is_shown_and_no_row_ever(text: str | None, lines: list[str]) -> None:
    shown = list(cause_lines(row(logs=text)))
    assert shown == lines
    assert "asha" not in "\n".join(shown)


def test_a_refusal_without_a_verdict_has_no_runbook() -> None:
    facts = make_facts(row())
    lines = decided(facts, Refusal(("a reason",), explained=True))
    assert lines == ["refused, nothing was changed:", "  a reason"]


UPDATE = "BEGIN UPDATE a SET heart = 1 COMMIT"
ALTER = 'ALTER TABLE "a" ADD COLUMN "heart" INTEGER NOT NULL DEFAU...'
CREATE = 'CREATE INDEX CONCURRENTLY "a_heart_idx" ON "a" ("heart")'


@pytest.mark.parametrize(
    ("verdict", "lines"),
    [
        (NothingApplied(HEART, (), ()), ["nothing of it is in the database"]),
        (
            NothingApplied(HEART, (), ("why",), INDEX),
            [
                "nothing of it is in the database",
                "  INVALID  index public.a_heart_idx: it was left unfinished",
                "  because why",
            ],
        ),
        (FullyApplied(HEART, (), ("why",)), ["all of it is in the database", "  because why"]),
        (
            PartlyApplied(HEART, (), (), 1, RUNGS),
            [
                "1 of its 3 statements are in the database",
                f"  in       line 1: {ALTER}",
                f"  not in   line 3: {UPDATE} ... line 7: {CREATE}",
            ],
        ),
        (
            PartlyApplied(HEART, (), (), 2, RUNGS),
            [
                "2 of its 3 statements are in the database",
                f"  in       line 1: {ALTER} ... line 3: {UPDATE}",
                f"  not in   line 7: {CREATE}",
            ],
        ),
        (
            Undecidable(HEART, (), (), (1, 3), RUNGS),
            [
                "1 or 3 of its 3 statements are in the database",
                f"  in or not: line 3: {UPDATE}",
                f"  in or not: line 7: {CREATE}",
            ],
        ),
        (
            Conflicting(HEART, (), ("why",), ("table a: is in production",)),
            [
                "the database is not as any number of its statements would leave it",
                "  table a: is in production",
                "  because why",
            ],
        ),
        (
            Undetermined(HEART, (), ("a", "b")),
            ["what of it is in the database cannot be told", "  because a", "  because b"],
        ),
    ],
)
def test_a_verdict_says_what_is_in_and_why(verdict: Verdict, lines: list[str]) -> None:
    first, *more = lines
    assert list(verdict_lines(verdict)) == [f"{HEART}: {first}", *more]


@pytest.mark.parametrize(
    ("remedy", "line"),
    [
        (Remedy("mark applied", "m"), "record m as applied; nothing of it has to be run"),
        (Remedy("rerun", "m"), "record m as rolled back, and deploy it again"),
        (
            Remedy("rerun", "m", drop=("s.i", "s.j")),
            "drop the INVALID s.i, s.j, then record m as rolled back, and deploy it again",
        ),
        (
            Remedy("resume", "m", RUNGS, 1),
            "run statements 2 to 3 of m, then record it as applied",
        ),
        (
            Remedy("resume", "m", RUNGS, 2, ("s.i",)),
            "drop the INVALID s.i, then run statements 3 to 3 of m, then record it as applied",
        ),
    ],
)
def test_a_remedy_is_one_line(remedy: Remedy, line: str) -> None:
    assert remedy_line(remedy) == line


def test_rows_are_told_of_tables_that_were_there_or_are_filled() -> None:
    before = {"public.a": 1500, "public.gone": 3}
    after = {"public.a": 1501, "public.new": 0, "public.filled": 2}
    assert list(row_lines(before, after)) == [
        "rows of public.a: 1,500 before, 1,501 after",
        "rows of public.filled: no table before, 2 after",
        "rows of public.gone: 3 before, no table after",
    ]
