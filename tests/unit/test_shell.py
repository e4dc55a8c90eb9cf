"""Every shell script that the tool can send, read by shellcheck and by three shells."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ops.facts.gather import facts_script
from ops.facts.past import with_past
from ops.host.job import Job, follow_script, start_script
from ops.host.script import HostPath, Script, shell_text
from ops.proof.psql import connect
from ops.proof.rehearsal import clone
from ops.proof.rows import Needed
from ops.run.history import history_script
from ops.run.lock import state_values
from ops.secrets import Secret
from ops.steps.backup import backup
from ops.steps.checkout import checkout, install
from ops.steps.prisma import deploy, resolve
from ops.steps.statements import Piece, run_statements
from tests.unit.factories import DIGEST, PASSWORD, environment, lock, make_facts, row, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.host.script import Renderable

PACKAGE: Final = Path(__file__).parents[2] / "ops"
ODD: Final = "odd 'name' \"$(touch x)\" \\ `y` ü"


class Sent(Exception):  # noqa: N818 - what is sent is all that is wanted
    """A script has reached the host."""

    def __init__(self, script: Script) -> None:
        self.script = script


class Mailbox:
    """A host, and a place for scratch databases on it, that keeps a script and does nothing."""

    variables: Mapping[str, str | Secret] = {"PGDATABASE": ODD, "PGPASSWORD": Secret(PASSWORD)}
    path: Final = (HostPath("~/pg bin"),)
    holds_production = False

    @property
    def server(self) -> Mailbox:
        return self

    @property
    def host(self) -> Mailbox:
        return self

    def create(self, label: str) -> str:
        return f"ops_scratch_{label}"

    def run(self, script: Script) -> None:
        raise Sent(script)

    open = run


def sent(act: Callable[[Any], object]) -> Script:
    """Return the script that something sends to a host."""
    with pytest.raises(Sent) as caught:
        act(Mailbox())
    return caught.value.script


def _connected(host: Any) -> None:
    with connect(host, Mailbox.variables, Mailbox.path, ODD):
        raise AssertionError


def scripts() -> dict[str, Renderable]:
    """Return every script, with values that would show a missing quote."""
    env = environment(
        repo=f"~/{ODD}",
        backups=f"/srv/{ODD}",
        path=["~/node/bin", "/opt/pg bin"],
        direct_url={"command": f"echo '{ODD}'"},
    )
    facts = make_facts(environment=env, head=tree(locks=(lock("6.0.0"),)), changed=("yarn.lock",))
    unknown = make_facts(row(content=b"in no commit that was looked at")).database
    keeper = Script(
        shell_text("ops.run", "state")
        + shell_text("ops.host", "lock_functions")
        + shell_text("ops.run", "keeper"),
        {
            **state_values(env, "prod"),
            "run": "r",
            "card": ODD,
            "lease": 1,
            "mark": "@",
            "began": ODD,
        },
        talks=True,
    )
    steps = {
        "backup": backup(facts, ODD).script,
        "checkout": checkout(facts).script,
        "install": install(facts, ODD).script,
        "resolve": resolve(facts, ODD, "rolled-back", ["a", "b"], ODD).script,
        "deploy": deploy(facts, [ODD], DIGEST).script,
        "statements": run_statements(
            facts, "resume", ODD, [Piece(ODD, (ODD, ODD))], ["a"], DIGEST
        ).script,
    }
    job = Job(f"/srv/{ODD}/01-x", lock="/srv/l", run="r")
    return {
        "facts": facts_script(env, "@", fetch=True),
        "facts in a direct way": facts_script(environment(), "@", fetch=False),
        "past": sent(lambda host: with_past(replace(facts, database=unknown), host)),
        "psql": sent(_connected),
        "clone": sent(lambda host: clone(host, host, None)),
        "clone of some rows": sent(lambda host: clone(host, host, Needed([ODD], 1, [ODD, ODD]))),
        "history": history_script(env, "prod", "@", ODD),
        "keeper": keeper,
        "follow": follow_script(job, 5, "@"),
        "job": start_script(job, Script("echo x", {"a": ODD, "b": HostPath(f"~/{ODD}")})),
        **steps,
        **{f"job of {name}": start_script(job, script) for name, script in steps.items()},
    }


SCRIPTS: Final = scripts()


def test_every_shell_file_is_in_some_rendered_script() -> None:
    rendered = "\n".join(script.render() for script in SCRIPTS.values())
    for file in PACKAGE.rglob("*.sh"):
        if "sandbox" not in file.parts:
            package = ".".join(file.relative_to(PACKAGE.parent).parent.parts)
            body = shell_text(package, file.stem).rstrip("\n")
            for part in re.split(r"@\w+@", body):
                assert part in rendered, f"{file} is checked nowhere"


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    # Disabled for the parts too: values are set by the renderer, functions of a library part are
    # not all called by each script, and a command takes more arguments in some of them only.
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [program, "--shell=sh", "--exclude=SC2154,SC2329,SC2034,SC2016,SC2119,SC2120,SC2209", "-"],
        input=SCRIPTS[name].render(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_shell_can_parse_it(name: str, shell: str) -> None:
    program, *words = shell.split()
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(
        [program, *words, "-n"],
        input=SCRIPTS[name].render().encode(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", SCRIPTS)
def test_people_never_see_a_secret_of_it(name: str) -> None:
    masked = SCRIPTS[name].masked()
    assert "s3cret-of-the-database" not in masked
    if name in {"backup", "deploy", "resolve", "statements", "job of deploy", "psql", "clone"}:
        assert "s3cret-of-the-database" in SCRIPTS[name].render()
        assert "***" in masked
