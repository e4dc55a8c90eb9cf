"""What the shadow is built from: what the ledger says is in, in the versions that were applied."""

from __future__ import annotations

import pytest

from ops.facts.database import LedgerRow
from ops.facts.git import sha256
from ops.proof.shadow import CannotReplay, History, Replay, history, replay_of
from tests.unit.factories import (
    FAILED_AT,
    HEART,
    INIT,
    PULLED,
    SQL,
    app,
    blob,
    environment,
    make_facts,
    row,
)

FIRST, SECOND = (Replay(name, SQL[name].decode()) for name in (INIT, HEART))
DOS = SQL[HEART].replace(b"\n", b"\r\n")
V1, V2 = b"SELECT 1;\n", b"SELECT 2;\n"
APPLIED = row(state="applied")


def contents(*scripts: bytes) -> dict[str, bytes]:
    return {blob(script): script for script in scripts}


@pytest.mark.parametrize(
    ("rows", "changes", "replays"),
    [
        ([APPLIED], {}, (FIRST, SECOND)),
        # Only what is in: not what failed, not what was taken back.
        ([row()], {}, (FIRST,)),
        ([row(state="rolled back")], {}, (FIRST,)),
        ([row(state="rolled back", at=PULLED), APPLIED], {}, (FIRST, SECOND)),
        # What main has today does not matter.
        ([APPLIED], {"main_app": app({})}, (FIRST, SECOND)),
        ([APPLIED], {"main_app": app({**SQL, HEART: b"edited"})}, (FIRST, SECOND)),
        # As it was applied, in its own spelling.
        ([row(content=DOS, state="applied")], {}, (FIRST, Replay(HEART, DOS.decode()))),
        ([APPLIED], {"contents": contents(SQL[INIT], DOS)}, (FIRST, SECOND)),
        # Of two versions in git, the one whose checksum the ledger has.
        (
            [row(content=V1, state="applied")],
            {"contents": contents(SQL[INIT], V2, V1), "main_app": app({**SQL, HEART: V2})},
            (FIRST, Replay(HEART, V1.decode())),
        ),
        # Recorded twice: the version that is known.
        (
            [
                row(state="applied", id="1", checksum="0" * 64),
                row(content=V1, state="applied", id="2", at=FAILED_AT),
            ],
            {"contents": contents(SQL[INIT], V1)},
            (FIRST, Replay(HEART, V1.decode())),
        ),
    ],
)
def test_the_shadow_has_what_was_applied_as_it_was_applied(
    rows: list[LedgerRow], changes: dict[str, object], replays: tuple[Replay, ...]
) -> None:
    assert history(make_facts(*rows, **changes)) == History(replays, ())  # type: ignore[arg-type]


def test_the_order_is_that_of_the_names_bytes() -> None:
    names = ["2_b", "10_a", "2_B", "é", "1_z", "2_Z"]
    rows = [row(name, V1, state="applied") for name in names]
    found = history(make_facts(*rows, contents=contents(SQL[INIT], V1)))
    assert [replay.name for replay in found.replays] == [
        "10_a",
        "1_z",
        INIT,
        "2_B",
        "2_Z",
        "2_b",
        "é",
    ]


def test_what_is_replayed_as_main_has_it_is_noted() -> None:
    facts = make_facts(
        row(content=V1, state="applied"),
        main_app=app({**SQL, HEART: V2}),
        environment=environment(branch="production"),
    )
    note = (
        f"{HEART}: the script that was applied (sha256 {sha256(V1)[:12]}) is not in git; "
        "replayed as production has it"
    )
    assert history(facts) == History((FIRST, Replay(HEART, V2.decode())), (note,))


@pytest.mark.parametrize("on_main", [{INIT: SQL[INIT]}, {**SQL, HEART: None}])
def test_a_script_that_is_nowhere_ends_it(on_main: dict[str, bytes | None]) -> None:
    facts = make_facts(row(content=V1, state="applied"), main_app=app(on_main))
    with pytest.raises(CannotReplay) as caught:
        history(facts)
    assert caught.value.message == (
        f"{HEART} is in the ledger, but its script (sha256 {sha256(V1)[:12]}) is not in git"
    )
    assert "put it back" in caught.value.hint


def test_a_script_must_be_text_as_prisma_wants_it() -> None:
    assert replay_of("m", "größe".encode()) == Replay("m", "größe")
    assert replay_of("m", b"\xef\xbb\xbfSELECT 1").text == "\ufeffSELECT 1"
    with pytest.raises(CannotReplay, match="m: the script is not UTF-8: invalid"):
        replay_of("m", b"SELECT '\xff'")
    facts = make_facts(row(content=b"\xff", state="applied"), contents=contents(SQL[INIT], b"\xff"))
    with pytest.raises(CannotReplay, match=f"{HEART}: the script is not UTF-8"):
        history(facts)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", []),
        ("-- nothing", []),
        ("SELECT 1; SELECT 2", [1, 1]),
        ("BEGIN; SELECT 1; COMMIT; SELECT 2;", [3, 1]),
    ],
)
def test_a_script_is_cut_into_what_commits_together(text: str, sizes: list[int]) -> None:
    assert [len(rung.statements) for rung in Replay("m", text).rungs()] == sizes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1;\nCREATE ROLE x;", "m: line 2: CREATE ROLE reaches outside of the database"),
        ("DROP DATABASE x", "m: line 1: DROP DATABASE reaches outside"),
        ("COPY a TO PROGRAM 'x'", "m: line 1: COPY TO PROGRAM reaches outside"),
        ("SELECT dblink_exec('x');\nCREATE ROLE x;", "m: line 1: dblink_exec reaches outside"),
        ("DO $$ BEGIN CREATE ROLE x; END $$", "m: line 1: CREATE ROLE reaches outside"),
        ("SELECT 1;\n\\connect other", "m: line 2 of the script: \\connect is for psql"),
        ("COPY a FROM STDIN;", "m: line 1 of the script: COPY ... FROM STDIN waits for data"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_anything_runs(text: str, said: str) -> None:
    with pytest.raises(CannotReplay) as caught:
        Replay("m", text).rungs()
    assert caught.value.message.startswith(said)
    assert caught.value.hint
