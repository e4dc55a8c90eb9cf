"""A step: one script that changes something, with the words that announce and prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.facts.catalog import AS_IT_READS, DIGEST, catalog_query
from ops.facts.gather import host_path
from ops.host.script import HostPath, Script, Value, shell_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.facts.gather import Facts
    from ops.secrets import Secret

NOT_AS_PLANNED: Final = 90
"""Exit code of a step that found things other than the plan says, and did nothing."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Args:
        name: In the journal and as the name of its job, e.g. `backup`.
        title: What it does, for people.
        commands: The exact commands, without secrets.
        script: The job.
        success: Texts of which the log must hold one; exit code 0 alone proves nothing.
        writes_database: Whether it writes to the production database.
    """

    name: str
    title: str
    commands: tuple[str, ...]
    script: Script
    success: tuple[str, ...] = ()
    writes_database: bool = False


def step_script(
    facts: Facts,
    name: str,
    values: Mapping[str, Value],
    environment: Mapping[str, str | Secret] | None = None,
) -> Script:
    """Return a step's script: the guard and the step's own text, with the database's variables."""
    own: dict[str, Value] = {
        "database": facts.database.fingerprint,
        "schema": facts.url.schema,
        "repo": HostPath(facts.environment.repo),
        **values,
    }
    body = (
        shell_text("ops.facts", "database")
        + shell_text("ops.steps", "guard")
        + shell_text("ops.steps", name)
    )
    variables = {"PGAPPNAME": "prisma-ops", **facts.url.variables, **(environment or {})}
    return Script(body, own, variables, host_path(facts.environment))


def as_judged(digest: str) -> dict[str, Value]:
    """Return the values with which `same_catalog` looks whether the catalog is as it was judged.

    An empty digest asks for nothing: an earlier step of the plan has changed the catalog.
    """
    query = (
        f"BEGIN READ ONLY;\n{AS_IT_READS}WITH catalog AS MATERIALIZED ({catalog_query()})\n"
        f"SELECT {DIGEST} FROM catalog;\nCOMMIT;"
    )
    return {"digest": digest, "catalog_sql": query if digest else ""}
