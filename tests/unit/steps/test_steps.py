"""The steps: which commands they announce, and that they run just those."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ops.facts.app import Installed
from ops.steps.backup import backup
from ops.steps.checkout import changed_lock_files, checkout, install, needs_install
from ops.steps.prisma import deploy, deploy_command, resolve, resolve_command
from tests.unit.factories import (
    COMMIT_MAIN,
    HEART,
    NOW,
    PASSWORD,
    app,
    environment,
    lock,
    make_facts,
    tree,
)


@pytest.mark.parametrize(
    ("file", "dev", "command"),
    [
        ("Backend/package-lock.json", True, "npm ci --include=dev"),
        ("Backend/package-lock.json", False, "npm ci"),
        ("npm-shrinkwrap.json", True, "npm ci --include=dev"),
        ("pnpm-lock.yaml", True, "pnpm install --frozen-lockfile --prod=false"),
        ("Backend/yarn.lock", True, "yarn install --frozen-lockfile --production=false"),
        ("Backend/bun.lock", True, "bun install --frozen-lockfile"),
    ],
)
def test_install_uses_the_lock_files_own_manager(file: str, dev: bool, command: str) -> None:
    main = tree(COMMIT_MAIN, locks=(lock(path=file),))
    facts = make_facts(head=tree(locks=()), main=main, main_app=app(prisma_is_dev=dev))
    assert needs_install(facts) == f"{file} changes with this checkout"
    step = install(facts, "why")
    assert step.commands == (command,)
    directory = "/opt/school/repo/Backend" if file.startswith("Backend/") else "/opt/school/repo"
    assert f"directory={directory}\n" in step.script.render()
    assert not step.writes_database


@pytest.mark.parametrize(
    ("prisma", "installed", "setting", "reason"),
    [
        ("6.19.3", "6.19.3", "auto", ""),
        ("6.19.3", "6.18.0", "auto", "Prisma 6.18.0 is installed, "),
        ("6.19.3", None, "auto", "Prisma is not installed"),
        ("6.19.3", "6.18.0", "never", ""),
        ("", "6.18.0", "auto", ""),
        ("?", "6.18.0", "auto", ""),
    ],
)
def test_install_only_where_it_is_needed(
    prisma: str, installed: str | None, setting: str, reason: str
) -> None:
    head = tree(locks=(lock(prisma),))
    facts = make_facts(head=head, installed=installed, environment=environment(install=setting))
    found = needs_install(facts)
    assert found.startswith(reason) if reason else not found


def test_no_lock_file_no_install() -> None:
    assert needs_install(make_facts(head=tree(locks=()), installed=None)) == ""


def test_checkout_names_every_command() -> None:
    facts = make_facts(
        main=tree(COMMIT_MAIN),
        branch=None,
        changed=("Backend/package-lock.json", "Backend/README.md"),
    )
    assert changed_lock_files(facts) == ("Backend/package-lock.json",)
    step = checkout(facts)
    assert step.commands == (
        "git checkout -- Backend/package-lock.json",
        "git checkout main",
        f"git merge --ff-only {COMMIT_MAIN[:10]}",
    )
    assert f"target={COMMIT_MAIN}\n" in step.script.render()


def test_backup_says_where_and_why() -> None:
    facts = make_facts()
    step = backup(facts, "it's time")
    assert NOW.strftime("pre-migration-%Y%m%dT%H%M%SZ.sql") in step.commands[0]
    assert PASSWORD in step.script.render()
    assert PASSWORD not in step.script.masked()
    assert PASSWORD not in repr(step)
    assert not step.writes_database


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "node_modules/.bin/prisma"),
        ({"prisma": ["bunx", "prisma"]}, "bunx prisma"),
        ({"prisma": {"cli": ["pnpm", "exec", "prisma"]}}, "pnpm exec prisma"),
    ],
)
def test_prisma_is_the_apps_own(changes: dict[str, object], command: str) -> None:
    facts = make_facts(environment=environment(**changes))
    schema = f"--schema={facts.environment.schema}"
    assert deploy_command(facts) == f"{command} migrate deploy {schema}"
    name = "20240201000000_it's here"
    expected = f"{command} migrate resolve --rolled-back '20240201000000_it'\"'\"'s here' {schema}"
    assert resolve_command(facts, name, "rolled-back") == expected
    step = resolve(facts, name, "applied", ["b", "a"], COMMIT_MAIN)
    assert "open_rows='a b'\n" in step.script.render()
    assert f"commit={COMMIT_MAIN}\n" in step.script.render()
    assert step.success == ("marked as applied.",)
    assert step.writes_database


def test_prisma_of_a_workspace() -> None:
    facts = make_facts()
    assert facts.installed is not None
    hoisted = Installed("/opt/school/repo", "6.19.3", facts.installed.since)
    command = deploy_command(replace(facts, installed=hoisted))
    assert command.startswith("/opt/school/repo/node_modules/.bin/prisma migrate deploy")


def test_a_deploy_command_of_the_inventory_is_run_as_it_stands() -> None:
    facts = make_facts(environment=environment(prisma="npm run prisma:migrate:deploy"))
    step = deploy(facts, [HEART])
    assert step.commands == ("npm run prisma:migrate:deploy",)
    assert "run() { sh -c 'npm run prisma:migrate:deploy' \"$@\"; }" in step.script.render()
    script = {"prisma:migrate:deploy": "prisma migrate deploy --schema=prisma/schema.prisma"}
    shown = deploy(replace(facts, main=app(scripts=script)), [HEART]).commands
    assert shown[1] == "# in package.json: prisma migrate deploy --schema=prisma/schema.prisma"
    assert deploy(facts, []).title == "migrate deploy: nothing pending"
