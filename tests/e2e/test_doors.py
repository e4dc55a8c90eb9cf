"""Both doors on a real host: a dry line changes nothing, JSON is what docs/json.md says."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from ops.actions.catalogue import ACTIONS
from ops.errors import ExitCode
from tests.doors import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.e2e
HEART = "20260221053404_add_missing_models"
DOCUMENT = json.loads(
    (ROOT / "docs" / "json.md").read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
)


def _standing(someone: Any) -> dict[str, object]:
    """Everything on the host that a dry line must leave as it is."""
    box = someone.box

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", box.repo, *words], capture_output=True, text=True, check=True
        ).stdout

    runs = box.repo / ".git"
    return {
        "database": someone.dump(),
        "head": git("rev-parse", "HEAD", "main"),
        "tree": git("status", "--porcelain"),
        "backups": sorted(path.name for path in box.backups.rglob("*")),
        "runs": sorted(str(path) for path in runs.rglob("*/runs/*")),
    }


def test_a_dry_line_changes_nothing_whatever_the_action_and_wherever_the_flag(
    operator: Callable[..., Any],
) -> None:
    someone = operator("p3018-type-exists")
    before = _standing(someone)
    for action in ACTIONS:
        words = [action.name, *(["--rolled-back", HEART] if action.name == "resolve" else [])]
        line = ["-R", "sandbox", *words] if len(action.name) % 2 else ["sandbox", *words, "--dry"]
        ended = someone._type("fab", *line, timeout=120)
        assert "Traceback" not in ended.out + ended.err, line
        assert ended.code in {ExitCode.OK, ExitCode.USAGE, ExitCode.REFUSED}, (line, ended)
        assert _standing(someone) == before, line


def test_json_on_a_real_host_is_one_document_as_described(
    operator: Callable[..., Any],
) -> None:
    someone = operator("p3018-type-exists")
    seen: set[str] = set()
    for action, *words in (
        ["status"],
        ["doctor"],
        ["runs"],
        ["unlock"],
        ["attach"],
        ["diagnose"],
        ["recover", "--dry-run"],
        ["resolve", "--applied", "nothing", "--dry-run"],
        ["recover"],
        ["recover", "--yes"],
        ["status"],
        ["runs"],
    ):
        ended = someone.ops(action, *words, "--json")
        document = json.loads(ended.out)
        jsonschema.validate(document, DOCUMENT)
        assert document["exit_code"] == ended.code, document
        assert (document["action"], document["environment"]) == (action, "sandbox")
        seen |= document.keys()
    # `environments` is that of `inventory check`, which has no host.
    assert seen | {"environments"} == DOCUMENT["properties"].keys(), "all, and no other"


def test_ctrl_c_while_waiting_for_a_migration_ends_with_one_line(
    operator: Callable[..., Any],
) -> None:
    someone = operator("running")
    before = _standing(someone)["head"]
    process = someone.start("recover", "--yes")
    for line in process.stdout:
        if "still running, waiting for it" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == ExitCode.INTERRUPTED
    assert rest.splitlines() == ["error: interrupted; this call left nothing at work on the host"]
    assert _standing(someone)["head"] == before
