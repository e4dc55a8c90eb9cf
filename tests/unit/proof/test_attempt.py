"""Which script was attempted, and by which engine."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from ops.facts.app import Installed
from ops.proof.attempt import attempted_script, failed_engine
from tests.unit.factories import (
    COMMIT_HEAD,
    COMMIT_MAIN,
    FAILED_AT,
    HEART,
    NOW,
    PULLED,
    SQL,
    app,
    behind,
    blob,
    environment,
    lock,
    make_facts,
    past,
    row,
    tree,
)

UNIX = b"CREATE TABLE a (\n  id int\n);\n"
DOS = UNIX.replace(b"\n", b"\r\n")
MIXED = b"SELECT 1;\r\nSELECT 2;\n"


@pytest.mark.parametrize(
    ("in_git", "attempted"),
    [
        (UNIX, UNIX),
        (UNIX, DOS),
        (DOS, UNIX),
        (DOS, DOS),
        (MIXED, MIXED),
        (MIXED, MIXED.replace(b"\r\n", b"\n")),
        (MIXED, b"SELECT 1;\r\nSELECT 2;\r\n"),
        (b"", b""),
        (b"\xef\xbb\xbfSELECT 1", b"\xef\xbb\xbfSELECT 1"),
    ],
)
def test_a_script_is_known_by_its_checksum_whatever_its_line_ends(
    in_git: bytes, attempted: bytes
) -> None:
    facts = make_facts(contents={"x": b"other", "y": in_git})
    found = attempted_script(facts, row(content=attempted))
    assert found is not None
    assert found.content == attempted
    assert found.blobs == {"y"}


def test_a_checksum_without_leading_zeros_is_one_of_an_old_prisma() -> None:
    digest = sha256(UNIX).digest()
    old = "".join(f"{byte:x}" for byte in digest)
    assert old != digest.hex()
    found = attempted_script(make_facts(contents={"x": UNIX}), row(checksum=old))
    assert found is not None
    assert found.content == UNIX


@pytest.mark.parametrize("content", [b"other", UNIX + b"\n", UNIX.replace(b"\n", b"\r")])
def test_a_script_that_differs_in_more_is_not_the_attempted_one(content: bytes) -> None:
    assert attempted_script(make_facts(contents={"x": content}), row(content=UNIX)) is None


@pytest.mark.parametrize(
    ("version", "one_query"),
    [
        ("4.16.2", True),
        ("5.22.0", True),
        ("6.19.3", True),
        ("7.0.0", True),
        ("7.3.0", True),
        ("7.3.99", True),
        ("7.4.0", False),
        ("7.4.0-dev.1", False),
        ("7.10.1", False),
        ("10.0.0", False),
    ],
)
def test_from_7_4_on_each_statement_commits_by_itself(version: str, one_query: bool) -> None:
    facts = make_facts(row(), past={COMMIT_HEAD: past(locks=(lock(version),))}, installed=version)
    assert failed_engine(facts, row()).one_query is one_query


@pytest.mark.parametrize(
    ("locks", "why"),
    [
        ((), "no lock file of commit aaaaaaaaaa names Prisma's version"),
        ((lock(""),), "no lock file of commit aaaaaaaaaa names Prisma's version"),
        ((lock("?", "bun.lockb"),), "bun.lockb of commit aaaaaaaaaa does not say which Prisma"),
        ((lock(), lock("?", "pnpm-lock.yaml")), "pnpm-lock.yaml of commit aaaaaaaaaa does not say"),
        ((lock("six"),), "Prisma's version then cannot be read"),
        # Of two lock files one is stale, and it is not known which.
        ((lock(), lock("7.5.0", "yarn.lock")), "Prisma 6.19 and 7.5 runs each statement by itself"),
    ],
)
def test_lock_files_that_do_not_tell_one_version_prove_nothing(
    locks: tuple[object, ...], why: str
) -> None:
    facts = make_facts(row(), past={COMMIT_HEAD: past(locks=locks)})  # type: ignore[arg-type]
    engine = failed_engine(facts, row())
    assert not engine.one_query
    assert why in engine.why


def test_a_checkout_in_the_very_second_of_the_attempt_came_before_it() -> None:
    # Git's times are whole seconds, cut off.
    facts = make_facts(row(), moves=((FAILED_AT, COMMIT_HEAD),))
    assert failed_engine(facts, row()).one_query


def test_a_lock_file_without_prisma_does_not_hinder() -> None:
    locks = (lock(), lock("", "package-lock.json"))
    assert failed_engine(make_facts(row(), past={COMMIT_HEAD: past(locks=locks)}), row()).one_query


def test_the_commit_of_that_time_counts_not_the_one_of_now() -> None:
    """The user pulled after the failure: main has Prisma 7.5, the failure was 6.19's."""
    upgraded = tree(COMMIT_MAIN, locks=(lock("7.5.0"),))
    both = {COMMIT_HEAD: past(), COMMIT_MAIN: past(locks=(lock("7.5.0"),))}
    moves = ((NOW - timedelta(minutes=5), COMMIT_MAIN), (PULLED, COMMIT_HEAD))
    after = Installed("/x", "7.5.0", NOW - timedelta(minutes=4))
    facts = make_facts(row(), head=upgraded, past=both, moves=moves, installed=after)
    assert failed_engine(facts, row()).one_query
    later = row(at=NOW - timedelta(minutes=1))
    assert not failed_engine(facts, later).one_query


@pytest.mark.parametrize(
    ("installed", "one_query", "why"),
    [
        (Installed("/x", "6.19.3", PULLED), True, "Prisma 6.19 sends"),
        (Installed("/x", "7.5.0", PULLED), False, "Prisma 6.19 and 7.5 runs"),
        (Installed("/x", "7.5.0", FAILED_AT), False, "Prisma 6.19 and 7.5 runs"),
        # Packages were installed again after the failure: as the lock file says, or not.
        (Installed("/x", "6.19.3", NOW), True, "Prisma 6.19 sends"),
        (Installed("/x", "6.19.4", NOW), False, "was installed after the attempt, and not as"),
        (Installed("/x", "", PULLED), False, "Prisma's version then cannot be read"),
        (None, False, "Prisma is not in node_modules"),
    ],
)
def test_node_modules_must_not_contradict_the_lock_file(
    installed: Installed | None, one_query: bool, why: str
) -> None:
    engine = failed_engine(make_facts(row(), installed=installed), row())
    assert engine.one_query is one_query
    assert why in engine.why


@pytest.mark.parametrize(
    "configs",
    [
        "export default defineConfig({ adapter: async () => new PrismaPg() })",
        "export default { ...base }",
        "export { default } from './config/prisma'",
        'import config from "../prisma.shared"\nexport default config',
        "module.exports = require('./x')",
    ],
)
@pytest.mark.parametrize("when", ["then", "now"])
def test_a_configuration_that_may_set_an_adapter_proves_nothing(configs: str, when: str) -> None:
    if when == "then":
        facts = make_facts(row(), past={COMMIT_HEAD: past(configs=configs)})
    else:
        facts = make_facts(row(), head_app=app(may_use_adapter=True))
    engine = failed_engine(facts, row())
    assert not engine.one_query
    assert "adapter" in engine.why


def test_a_plain_configuration_does_not_hinder() -> None:
    text = "import 'dotenv/config'\nexport default defineConfig({ schema: './prisma' })"
    assert failed_engine(make_facts(row(), past={COMMIT_HEAD: past(configs=text)}), row()).one_query


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"moves": ()}, "reflog does not say"),
        ({"moves": ((FAILED_AT + timedelta(seconds=1), COMMIT_HEAD),)}, "reflog does not say"),
        ({"past": {}}, "reflog does not say"),
        ({"past": {COMMIT_HEAD: past(scripts=(b"other",))}}, "it was run from elsewhere"),
    ],
)
def test_an_attempt_that_the_reflog_does_not_place_proves_nothing(
    changes: dict[str, Any], why: str
) -> None:
    engine = failed_engine(make_facts(row(), **changes), row())
    assert not engine.one_query
    assert why in engine.why


@pytest.mark.parametrize(
    ("at", "offset", "why"),
    [
        (None, 0.0, "does not say when"),
        (NOW + timedelta(minutes=2), 0.0, "in the future"),
        (NOW + timedelta(minutes=2), 200.0, ""),
        (NOW + timedelta(seconds=30), 0.0, ""),
        (NOW - timedelta(minutes=4), -400.0, "in the future"),
    ],
)
def test_an_attempt_must_lie_in_the_past_of_the_host(at: object, offset: float, why: str) -> None:
    failed = row(at=at)  # type: ignore[arg-type]
    engine = failed_engine(make_facts(failed, clock_offset=offset), failed)
    assert engine.one_query is (why == "")
    assert why in engine.why


@pytest.mark.parametrize(
    ("prisma", "scripts", "one_query"),
    [
        (None, {}, True),
        (["npx", "prisma"], {}, True),
        (["npx", "prisma@latest"], {}, False),
        (["pnpm", "dlx", "prisma"], {}, False),
        (["docker", "compose", "exec", "app", "npx", "prisma"], {}, False),
        ("npm run db", {"db": "prisma migrate deploy"}, True),
        ("npm run db", {"db": "npx prisma@7 migrate deploy"}, False),
        ("npm run db", {"db": "prisma migrate deploy", "other": "npx prisma@7"}, True),
        ("docker exec app prisma migrate deploy", {}, False),
    ],
)
def test_a_command_that_runs_another_prisma_proves_nothing(
    prisma: object, scripts: dict[str, str], one_query: bool
) -> None:
    env = environment(prisma=prisma)
    facts = make_facts(row(), environment=env, head_app=app(scripts=scripts))
    assert failed_engine(facts, row()).one_query is one_query


def test_a_corrected_script_on_main_is_not_taken_for_the_attempted_one() -> None:
    facts = behind({**SQL, HEART: b"-- corrected\n"}, row())
    found = attempted_script(facts, row())
    assert found is not None
    assert found.blobs == {blob(SQL[HEART])}
    assert failed_engine(facts, row()).one_query
    # The corrected one was attempted from elsewhere: this checkout never had it.
    assert not failed_engine(facts, row(content=b"-- corrected\n")).one_query
