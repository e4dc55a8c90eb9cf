"""The backup step: pg_dump by the host's own tools, proved whole before it gets its name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ops.host.script import HostPath
from ops.steps.base import Step, step_script

if TYPE_CHECKING:
    from ops.facts.gather import Facts

RESERVE: Final = 256 * 1024 * 1024
"""Bytes that a backup leaves free on the host's disk."""


def backup(facts: Facts, why: str) -> Step:
    """Return the step that takes a backup.

    Args:
        facts: What is true now; its time names the file.
        why: For the card beside the file.
    """
    stamp = facts.at.strftime("%Y%m%dT%H%M%SZ")
    identity = facts.database.identity
    card = {
        "why": why,
        "branch": facts.environment.branch,
        "commit": facts.git.head.commit,
        "database": identity.database,
        "oid": identity.oid,
        "system_identifier": facts.database.system_identifier,
        "server": identity.version,
        "ledger_head": max(facts.database.applied, default="", key=str.encode),
        "started_at": facts.at.isoformat(),
    }
    script = step_script(
        facts,
        "backup",
        {
            "backups": HostPath(facts.environment.backups),
            "stamp": stamp,
            "server_major": identity.major,
            "needed": identity.size // 1024,
            "reserve": RESERVE // 1024,
            "card": json.dumps(card)[:-1],
        },
    )
    file = f"{facts.environment.backups}/pre-migration-{stamp}.sql"
    command = f"pg_dump -w -F p --lock-wait-timeout=60s -f {file}"
    return Step("backup", f"back up {facts.url.label}", (command,), script, ("backup complete: ",))
