"""The other ways through: by hand, around obstacles, and with packages to install."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import HEART, Operator
from tests.e2e.test_incidents import APPLIED, CUT_OFF, FAILED, ROLLED_BACK

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
Begin = Callable[..., Operator]


def git(*words: str, cwd: Path) -> str:
    identity = ("-c", "user.name=Asha Rao", "-c", "user.email=asha@example.com")
    done = subprocess.run(
        ["git", *identity, *words], cwd=cwd, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def push(someone: Operator, change: Callable[[Path], None]) -> str:
    """Commit a change of the app on origin's main, and return the commit."""
    developer = someone.box.developer
    change(developer / "Backend")
    git("add", "-A", cwd=developer)
    git("commit", "-q", "-m", "Change something", cwd=developer)
    git("push", "-q", "origin", "HEAD:main", cwd=developer)
    return git("rev-parse", "HEAD", cwd=developer)


def migration(name: str, sql: str) -> Callable[[Path], None]:
    def write(app: Path) -> None:
        directory = app / "src/prisma/db/migrations" / name
        directory.mkdir()
        (directory / "migration.sql").write_text(sql)

    return write


def test_deploy_of_a_new_migration(operator: Begin) -> None:
    someone = operator("healthy")
    name = "20260301090000_add_houses"
    commit = push(someone, migration(name, 'CREATE TABLE "houses" (id int PRIMARY KEY);'))
    assert someone.fab("deploy", "--dry-run").code == 0
    assert not someone.has_table("houses")
    assert git("rev-parse", "HEAD", cwd=someone.box.repo) != commit
    deployed = someone.fab("deploy")
    assert deployed.code == 0, deployed
    assert someone.has_table("houses")
    assert someone.ledger(name) == [APPLIED]
    assert git("rev-parse", "HEAD", cwd=someone.box.repo) == commit
    assert someone.fab("deploy").out.count("healthy") == 1


def test_deploy_of_what_cannot_work_is_refused(operator: Begin) -> None:
    someone = operator("healthy")
    name = "20260301090000_add_houses"
    push(someone, migration(name, 'CREATE TABLE "students" (id int PRIMARY KEY);'))
    refused = someone.fab("deploy")
    assert refused.code == 3, refused
    assert 'relation "students" already exists (42P07)' in refused.out
    assert someone.ledger(name) == [], "it was never tried on production"


def test_deploy_that_fails_says_what_stands(operator: Begin) -> None:
    """It went well on the copy; then somebody wrote a row on which it fails."""
    someone = operator("healthy")
    name = "20260301090000_no_x"
    check = 'ALTER TABLE "students" ADD CONSTRAINT "no_x" CHECK ("mobile" <> \'x\');'
    push(someone, migration(name, check))
    pg_dump = someone.box.home / "bin/pg_dump"
    real = pg_dump.rename(pg_dump.with_name("pg_dump.real"))
    pg_dump.write_text(
        "#!/bin/sh\n"
        "case \"$*\" in *' -f '*)\n"
        "  psql -X -q -c \"UPDATE students SET mobile = 'x' WHERE id = 1\" ;;\nesac\n"
        f'exec "{real}" "$@"\n'
    )
    pg_dump.chmod(0o755)
    failed = someone.fab("deploy")
    assert failed.code == 3, failed
    assert someone.ledger(name) == [FAILED]
    assert 'check constraint "no_x" of relation "students" is violated' in failed.out
    assert "the backup of this run: " in failed.out
    again = someone.fab("deploy")
    assert again.code == 3
    assert "has failed before" in again.out
    assert someone.ledger(name) == [FAILED], "a deploy does not pass over a failure"


def test_resolve_rolled_back_then_deploy(operator: Begin) -> None:
    """The runbook's option 2, typed by hand, where the tool itself does not decide."""
    someone = operator("p3009-killed")
    assert someone.ledger() == [CUT_OFF]
    resolved = someone.fab("resolve", "--rolled-back", HEART)
    assert resolved.code == 0, resolved
    assert someone.ledger() == [(False, True, False, 0)]
    assert len(list(someone.box.backups.glob("*.sql"))) == 1
    deployed = someone.fab("deploy")
    assert deployed.code == 0, deployed
    assert someone.ledger() == [(False, True, False, 0), APPLIED]


def test_resolve_applied_when_it_had_committed(operator: Begin) -> None:
    """The runbook's option 3: the whole script is in, only the ledger does not know."""
    someone = operator("p3009-killed-committed")
    assert someone.has_table("library_books")
    resolved = someone.fab("resolve", "--applied", HEART)
    assert resolved.code == 0, resolved
    assert someone.ledger() == [(False, True, False, 0), (True, False, False, 0)]
    assert someone.fab("status").code == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--rolled-back", "20990101000000_nothing"), 3, "P3011"),
        (("--rolled-back", "20230901080000_init"), 3, "P3012"),
        (("--applied", "20230901080000_init"), 3, "P3008"),
        ((), 2, "one of --rolled-back NAME and --applied NAME"),
        (("--applied", "a", "--rolled-back", "b"), 2, "one of"),
    ],
    ids=["P3011", "P3012", "P3008", "none", "both"],
)
def test_resolve_that_prisma_would_refuse(
    operator: Begin, words: tuple[str, ...], code: int, text: str
) -> None:
    someone = operator("healthy")
    before = someone.dump()
    refused = someone.fab("resolve", *words)
    assert refused.code == code, refused
    assert text in refused.out + refused.err
    assert someone.dump() == before
    assert not list(someone.box.backups.glob("*"))


def test_rerun_because(operator: Begin) -> None:
    someone = operator("p3009-killed")
    assert someone.fab("recover", "--rerun").code == 2, "a reason is needed"
    recovered = someone.fab("recover", "--rerun", "--because", "no type of it is there, I looked")
    assert recovered.code == 0, recovered
    assert someone.ledger()[-1] == APPLIED
    here = someone.home / ".local/state/prisma-ops/sandbox"
    there = someone.box.repo / ".git/prisma-ops/runs"
    for directory in (here, there):
        journals = [file.read_text() for file in directory.glob("*/journal.jsonl")]
        assert any("no type of it is there, I looked" in text for text in journals)


def test_changed_files_are_refused_by_name(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    schema = someone.box.app / "src/prisma/db/schema.prisma"
    schema.write_text(schema.read_text() + "\n// changed on the host\n")
    refused = someone.fab("recover")
    assert refused.code == 3, refused
    assert "Backend/src/prisma/db/schema.prisma" in refused.out
    assert "// changed on the host" in schema.read_text()
    assert someone.ledger() == [FAILED]


def test_a_rewritten_lock_file_is_put_back_and_kept(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    lock = someone.box.app / "package-lock.json"
    committed = lock.read_text()
    lock.write_text(committed + "\n")
    recovered = someone.fab("recover")
    assert recovered.code == 0, recovered
    assert "git checkout -- Backend/package-lock.json" in recovered.out
    assert lock.read_text() == committed
    kept = list(
        (someone.box.repo / ".git/prisma-ops/runs").glob("*/*/changed/**/package-lock.json")
    )
    assert [file.read_text() for file in kept] == [committed + "\n"]


def test_another_branch_and_a_detached_head_are_moved(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    git("checkout", "-q", "--detach", cwd=someone.box.repo)
    recovered = someone.fab("recover")
    assert recovered.code == 0, recovered
    assert git("symbolic-ref", "--short", "HEAD", cwd=someone.box.repo) == "main"


def test_commits_that_origin_does_not_have_are_refused(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    git("commit", "-q", "--allow-empty", "-m", "Hotfix on the host", cwd=someone.box.repo)
    refused = someone.fab("recover")
    assert refused.code == 3, refused
    assert "1 commits that origin does not have" in refused.out
    assert someone.ledger() == [FAILED]


def test_packages_are_installed_when_the_lock_file_changed(operator: Begin) -> None:
    someone = operator("pending")

    def bump(app: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            file = app / name
            content = json.loads(file.read_text())
            content["version"] = "9.9.9"
            if "packages" in content:
                content["packages"][""]["version"] = "9.9.9"
            file.write_text(json.dumps(content, indent=2) + "\n")

    push(someone, bump)
    marker = someone.box.app / "node_modules/left-behind"
    marker.write_text("npm ci replaces node_modules")
    deployed = someone.fab("recover")
    assert deployed.code == 0, deployed
    assert "npm ci" in deployed.out
    assert "replaces the node_modules of a running app" in deployed.out
    assert not marker.exists()
    assert someone.ledger() == [APPLIED]


def test_the_deploy_command_of_the_inventory(operator: Begin) -> None:
    someone = operator("pending")
    inventory = someone.box.inventory
    inventory.write_text(
        inventory.read_text().rstrip() + "\n    prisma: npm run prisma:migrate:deploy\n"
    )
    deployed = someone.fab("recover")
    assert deployed.code == 0, deployed
    assert "npm run prisma:migrate:deploy" in deployed.out
    assert someone.ledger() == [APPLIED]


def test_two_operators_at_once(operator: Begin) -> None:
    someone = operator("p3018-type-exists")
    both = [someone.start("recover", "--yes") for _ in range(2)]
    ended = [(process.communicate(timeout=120)[0], process.returncode) for process in both]
    codes = sorted(code for _, code in ended)
    # The loser is told who works; when it came after the winner's end, it found all healthy.
    assert codes in ([0, 5], [0, 0]), ended
    assert someone.ledger() == [ROLLED_BACK, APPLIED]
    if codes == [0, 5]:
        (told,) = [out for out, code in ended if code == 5]
        assert "is taken: recover by" in told


def test_backup_and_its_journal(operator: Begin) -> None:
    someone = operator("healthy")
    taken = someone.ops("backup", "--json")
    assert taken.code == 0, taken
    document = json.loads(taken.out)
    assert Path(document["backup"]).stat().st_mode & 0o777 == 0o600
    assert Path(document["backup"] + ".json").exists()
    journal = someone.box.repo / ".git/prisma-ops/runs" / document["run"] / "journal.jsonl"
    events = [json.loads(line)["event"] for line in journal.read_text().splitlines()]
    assert events == ["began", "step begins", "step ended", "ended"]
    assert document["run"] in someone.fab("runs").out


def test_doctor_says_what_is_wrong(operator: Begin) -> None:
    someone = operator("healthy")
    assert someone.fab("doctor").code == 0
    inventory = someone.box.inventory
    inventory.write_text(inventory.read_text().replace("schema.prisma", "wrong.prisma"))
    ill = someone.fab("doctor")
    assert ill.code == 3
    assert "wrong.prisma does not exist" in ill.out
