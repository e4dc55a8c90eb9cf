"""How an action ended, for people and for programs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ops.proof.verdict import Conflicting, PartlyApplied, Undecidable

if TYPE_CHECKING:
    from ops.errors import ExitCode
    from ops.facts.gather import Facts
    from ops.plan import Plan
    from ops.proof.remedy import Diagnosis
    from ops.proof.verdict import Verdict

JSON_VERSION: Final = 1
"""Raised when a field of the JSON changes its meaning or goes away."""


@dataclass(frozen=True)
class Outcome:
    """The end of an action.

    Args:
        exit_code: What the program ends with.
        message: One line that says it.
        data: For programs; without secrets.
    """

    exit_code: ExitCode
    message: str
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self, action: str, environment: str, hint: str = "") -> str:
        """Return the document that `--json` prints."""
        document = {
            "version": JSON_VERSION,
            "action": action,
            "environment": environment,
            "exit_code": int(self.exit_code),
            "result": self.exit_code.name.lower(),
            "message": self.message,
            **({"hint": hint} if hint else {}),
            **self.data,
        }
        return json.dumps(document, indent=2, default=str)


def facts_data(facts: Facts) -> dict[str, Any]:
    """Return the facts for programs."""
    git, identity = facts.git, facts.database.identity
    return {
        "checkout": {
            "branch": git.branch,
            "commit": git.head.commit,
            "origin": git.main.commit,
            "ahead": git.ahead,
            "behind": git.behind,
            "changed": list(git.changed),
        },
        "prisma": facts.installed.version if facts.installed else None,
        "node": facts.machine.node.version or None,
        "database": {
            "name": identity.database,
            "oid": identity.oid,
            "system_identifier": facts.database.system_identifier or None,
            "host": facts.url.host,
            "port": facts.url.port,
            "server": identity.version,
            "schema": facts.url.schema,
            "size": identity.size,
        },
        "ledger": {
            "exists": facts.database.ledger is not None,
            "applied": sorted(facts.database.applied),
            "failed": list(dict.fromkeys(row.migration_name for row in facts.database.open_rows)),
            "pending": facts.pending,
        },
    }


def diagnosis_data(found: Diagnosis) -> dict[str, Any]:
    """Return verdicts and remedies for programs."""
    return {
        "verdicts": [verdict_data(verdict) for verdict in found.verdicts],
        "remedies": [
            {
                "migration": remedy.name,
                "kind": remedy.kind,
                "from_statement": remedy.done + 1 if remedy.kind == "resume" else None,
                "drop_invalid": list(remedy.drop),
            }
            for remedy in found.remedies
        ],
        "proof": list(found.proof),
        "unproved": list(found.unproved),
        "notes": list(found.notes),
    }


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    """Return one verdict for programs; its kind is spelled `partly-applied` and so on."""
    data: dict[str, Any] = {
        "migration": verdict.name,
        "verdict": re.sub(r"(?<!^)(?=[A-Z])", "-", type(verdict).__name__).lower(),
        "evidence": list(verdict.evidence),
    }
    match verdict:
        case PartlyApplied(done=done, rungs=rungs):
            data |= {"done": done, "statements": len(rungs), "line": rungs[done].line}
        case Undecidable(candidates=candidates, rungs=rungs):
            data |= {"candidates": list(candidates), "statements": len(rungs)}
        case Conflicting(differences=differences):
            data |= {"differences": list(differences)}
    return data


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return a plan for programs."""
    return {
        "plan": [
            {"step": step.name, "title": step.title, "commands": list(step.commands)}
            for step in plan.steps
        ],
        "verdicts": [verdict_data(verdict) for verdict in plan.verdicts],
        "proof": list(plan.proof),
        "notes": list(plan.notes),
    }
