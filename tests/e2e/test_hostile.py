"""Things that happen at the worst moment, and hosts that are not what they seem."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.host.local import LocalHost
from ops.host.script import Script, shell_text
from tests.e2e.conftest import HEART, Operator
from tests.e2e.test_actions import git, migration, push
from tests.e2e.test_incidents import FAILED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
Begin = Callable[..., Operator]


def test_a_schema_that_names_its_own_database(operator: Begin) -> None:
    """Prisma would work on another database than the one that was looked at and backed up."""
    someone = operator("p3018-type-exists")

    def point_elsewhere(app: Path) -> None:
        schema = app / "src/prisma/db/schema.prisma"
        text = schema.read_text()
        schema.write_text(text.replace('env("DATABASE_URL")', '"postgresql://a:b@127.0.0.1:1/x"'))

    push(someone, point_elsewhere)
    before = someone.dump()
    refused = someone.fab("recover", "--yes")
    assert refused.code == 3, refused
    assert "Prisma reads its URL from a text in the schema itself" in refused.out
    assert someone.dump() == before
    git("pull", "-q", cwd=someone.box.repo)
    by_hand = someone.fab("resolve", "--rolled-back", HEART)
    assert by_hand.code == 3, by_hand
    assert someone.dump() == before


def test_a_commit_that_comes_in_after_the_yes(operator: Begin) -> None:
    """The plan's yes was for what was checked out then: nothing else is run."""
    someone = operator("p3009-killed")
    pg_dump = someone.box.home / "bin/pg_dump"
    real = pg_dump.rename(pg_dump.with_name("pg_dump.real"))
    pg_dump.write_text(
        "#!/bin/sh\n"
        f"case \"$*\" in *' -f '*) git -C '{someone.box.repo}' -c user.name=x "
        "-c user.email=x@example.com commit -q --allow-empty -m 'meanwhile' ;; esac\n"
        f'exec "{real}" "$@"\n'
    )
    pg_dump.chmod(0o755)
    stopped = someone.fab("recover", "--yes")
    assert stopped.code == 3, stopped
    assert "HEAD has moved" in stopped.err
    assert someone.ledger() == [(False, False, False, 0)]


def test_a_backup_that_fails_is_what_is_reported(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    someone.box.backups.rmdir()
    someone.box.backups.write_text("a file where the directory should be")
    failed = someone.fab("recover", "--yes")
    assert failed.code == 6, failed
    assert failed.err.startswith("error: backup failed")
    assert "--applied" not in failed.out, "nobody is led to commands that do not help"
    assert someone.ledger() == [FAILED]


def test_the_same_script_is_not_tried_a_third_time(operator: Begin) -> None:
    someone = operator("p3018-still-broken")
    again = someone.fab("recover", "--yes", "--rerun", "--because", "a copy is not production")
    assert again.code == 3, again
    assert 'type "attendance_status" already exists' in again.out
    assert someone.fab("resolve", "--rolled-back", HEART).code == 0
    rows = someone.ledger()
    assert len(rows) == 2
    for action, said in (("deploy", "failed 2 times"), ("recover", "fails on a copy")):
        refused = someone.fab(action, "--yes")
        assert refused.code == 3, refused
        assert said in refused.out
    assert someone.ledger() == rows


def test_a_word_is_no_proof(operator: Begin) -> None:
    """Recorded as rolled back by hand, against the verdict: what is in is in as before."""
    someone = operator("p3018-type-exists", prisma=7, engine="per-statement")
    refused = someone.fab("resolve", "--rolled-back", HEART)
    assert refused.code == 3, refused
    assert "3 of its 29 statements are in the database" in refused.out
    assert someone.ledger() == [FAILED]
    assert someone.fab("resolve", "--rolled-back", HEART, "--because", "I know better").code == 0
    rows = someone.ledger()
    refused = someone.fab("recover", "--yes")
    assert refused.code == 3, refused
    assert "3 of its 29 statements are in the database" in refused.out
    assert someone.ledger() == rows


def test_hooks_of_the_checkout_are_not_run(operator: Begin) -> None:
    someone = operator("healthy")
    push(someone, migration("20260301090000_add_houses", "CREATE TABLE houses (id int);"))
    witness = someone.box.home / "a-hook-ran"
    for name in ("post-checkout", "post-merge"):
        hook = someone.box.repo / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch '{witness}'\nexit 1\n")
        hook.chmod(0o755)
    deployed = someone.fab("deploy")
    assert deployed.code == 0, deployed
    assert not witness.exists()


def test_a_service_in_the_hosts_environment_leads_nowhere(tmp_path: Path) -> None:
    names = ("PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR")
    host = LocalHost({"PATH": "/usr/bin:/bin", **dict.fromkeys(names, "elsewhere")})
    body = shell_text("ops.facts", "database") + "env"
    seen = host.run(Script(body)).stdout.decode()
    assert "elsewhere" not in seen


def test_a_dry_backup_is_on_record(operator: Begin) -> None:
    someone = operator("healthy")
    assert someone.fab("backup", "--dry-run").code == 0
    assert not list(someone.box.backups.glob("*"))
    here = someone.home / ".local/state/prisma-ops/sandbox"
    (journal,) = here.glob("*/journal.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [event["event"] for event in events] == ["began", "ended"]


def test_no_place_for_the_journal(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    (someone.home / ".local").write_text("a file")
    refused = someone.fab("recover", "--yes")
    assert refused.code == 2, refused
    assert "the journal cannot be kept there" in refused.err
    assert someone.ledger() == [FAILED]


def test_a_killed_client_and_the_way_back(operator: Begin) -> None:
    """`kill -9` in a step: the step goes on, is followed, its lock freed, and recover finishes."""
    someone = operator("p3018-type-exists")
    killed = someone.start("recover", "--yes")
    runs = someone.box.repo / ".git/prisma-ops/runs"
    deadline = time.monotonic() + 60
    while not list(runs.glob("*/03-*/pid")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    taken = someone.fab("recover", "--yes")
    assert taken.code == 5, taken
    assert "is taken: recover by" in taken.err
    followed = someone.fab("attach")
    assert followed.code == 0, followed
    assert "marked as rolled back" in followed.out
    assert "did not end" in someone.fab("runs").out or "at work" in someone.fab("runs").out
    freed = someone.fab("unlock")
    assert freed.code == 0, freed
    assert "the lock's card: recover by" in freed.out
    assert someone.fab("recover", "--yes").code == 0
    assert someone.fab("unlock").code == 0, "a free lock stays free"
    assert someone.has_table("library_books")
    assert someone.fab("attach", "--run", "no-such-run").code == 2
