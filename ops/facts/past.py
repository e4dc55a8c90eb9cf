"""Every version that git has of the migrations' scripts: some are known by a checksum only.

It reads all of git's history, so it is only asked when the commits that were looked at anyway do
not have a script that the ledger names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ops.facts.gather import host_path
from ops.facts.git import parse_batch, spellings
from ops.host.script import HostPath, Script, shell_text

if TYPE_CHECKING:
    from ops.facts.gather import Facts
    from ops.host.base import Host


def with_past(facts: Facts, host: Host) -> Facts:
    """Return the facts with every script in git, where the ledger names one that is not known.

    Raises:
        StepFailed: Git could not be read.
        Unknown: What it printed cannot be read.
    """
    known = {checksum for content in facts.git.contents.values() for checksum in spellings(content)}
    if all(row.checksum in known for row in facts.database.ledger or []):
        return facts
    script = Script(
        shell_text("ops.facts", "past"),
        {"repo": HostPath(facts.environment.repo)},
        path=host_path(facts.environment),
    )
    found = parse_batch(host.run(script).checked("reading git's history of the migrations"))
    contents = {**found, **facts.git.contents}
    return replace(facts, git=replace(facts.git, contents=contents))
