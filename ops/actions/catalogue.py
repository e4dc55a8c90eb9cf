"""All actions, with their options and words: both doors are made from this one table.

Nothing heavy is imported here: `fab --list` and `ops --help` read it and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.report.outcome import Outcome


@dataclass(frozen=True)
class Option:
    """One option of an action: `--name`, a flag when its default is False.

    Args:
        name: As a Python argument, e.g. `dry_run`.
        help: One line.
        default: False for a flag, a string for a value.
    """

    name: str
    help: str
    default: bool | str = False


@dataclass(frozen=True)
class Action:
    """One action.

    Args:
        name: As typed.
        summary: One line, for lists.
        module: Where its function is; the function has the action's name.
        options: Its options.
        reads_only: Whether it changes nothing by its nature, so that a dry run of it is itself.
        examples: Command lines, without the leading `fab`.
        details: More for its own help.
    """

    name: str
    summary: str
    module: str
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    details: str = ""
    reads_only: bool = False

    def function(self) -> Callable[..., Outcome]:
        """Import and return the function that does it; it takes a Target and the options."""
        module = import_module(f"ops.actions.{self.module}")
        return cast("Callable[..., Outcome]", getattr(module, self.name))


_YES: Final = Option("yes", "Do not ask for the environment's name.")
_DRY_RUN: Final = Option("dry_run", "Show the plan with its exact commands, change nothing.")

ACTIONS: Final = (
    Action(
        "status",
        "Show ledger, pending, failed, running, versions; exit 0 only when healthy.",
        "status",
        examples=("prod status",),
        details="Reads only. Exit 3 when something failed, runs or is pending.",
        reads_only=True,
    ),
    Action(
        "diagnose",
        "Show which statements of a failed migration are in, and what would mend it.",
        "diagnose",
        examples=("prod diagnose",),
        details="Runs the failed script statement by statement on a copy of the schema, compares "
        "with production's catalog, and tries the remedy on a copy. Changes nothing but scratch "
        "databases of its own, which are gone at the end. Exit 0 only when healthy.",
        reads_only=True,
    ),
    Action(
        "recover",
        "Recover from a failed migration (P3009, P3018): backup, resolve, deploy, verify.",
        "recover",
        (
            _YES,
            _DRY_RUN,
            Option("rerun", "Run a failed script again though no remedy is proved."),
            Option("because", "Why that is right; kept in the journal. Goes with --rerun.", ""),
        ),
        ("prod recover", "prod recover --dry-run", 'prod recover --rerun --because "I looked"'),
        "Judges from the database's catalog and the ledger, never from messages, and carries out "
        "only what it has just seen to end well on a copy. Where nothing is proved it changes "
        "nothing, exits 3 and shows the cause and the manual steps.",
    ),
    Action(
        "deploy",
        "Deploy: backup, checkout, migrate deploy, verify.",
        "deploy",
        (_YES, _DRY_RUN),
        ("prod deploy", "prod deploy --dry-run"),
    ),
    Action(
        "backup",
        "Take a backup with pg_dump and prove that it is whole.",
        "backup",
        (_DRY_RUN,),
        ("prod backup",),
    ),
    Action(
        "resolve",
        "By hand: record a failed migration as rolled back, or as applied.",
        "resolve",
        (
            Option("rolled_back", "Nothing of this migration is in the database.", ""),
            Option("applied", "Every statement of this migration is in the database.", ""),
            Option("because", "Why, where the verdict says otherwise; kept in the journal.", ""),
            _YES,
            _DRY_RUN,
        ),
        ("prod resolve --rolled-back 20260221053404_add_missing_models",),
        "The runbook's manual fix: shows the evidence, takes a backup, asks, runs "
        "`prisma migrate resolve`, and reads the ledger again.",
    ),
    Action(
        "doctor",
        "Look at everything that could go wrong later: ssh, git, node, prisma, disk, rights.",
        "doctor",
        examples=("prod doctor",),
        reads_only=True,
    ),
    Action(
        "runs",
        "List the runs that the host knows.",
        "runs",
        examples=("prod runs",),
        reads_only=True,
    ),
    Action(
        "attach",
        "Follow the latest step of a run.",
        "runs",
        (Option("run", "The run's id; default: the newest.", ""),),
        ("prod attach", "prod attach --run 20261122T101500Z-1f2e"),
        reads_only=True,
    ),
    Action(
        "unlock",
        "Free the lock of a run whose holder is gone.",
        "runs",
        examples=("prod unlock",),
    ),
)
