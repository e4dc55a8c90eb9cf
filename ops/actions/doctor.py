"""`doctor`: everything that could go wrong later, looked at now. Changes nothing but a fetch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ops.errors import ExitCode, OpsError, Unreachable
from ops.obstacles import obstacles
from ops.report.outcome import Outcome, facts_data
from ops.secrets import SHORTEST_BARE_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.actions.target import Target
    from ops.facts.gather import Facts

_MOST_CLOCK_SKEW: Final = 30.0


class Check(NamedTuple):
    """One thing that was looked at."""

    state: Literal["ok", "warn", "fail"]
    text: str


def doctor(target: Target) -> Outcome:
    """Look at ssh, git, node, Prisma, PostgreSQL's programs, disk and rights; exit 0 or 3."""
    checks = [Check("ok", f"ssh: connected to {target.host.label}, its host key is known")]
    data: dict[str, object] = {}
    try:
        facts = target.facts(fetch=True)
    except Unreachable:
        raise
    except OpsError as error:
        hint = f" ({error.hint})" if error.hint else ""
        checks.append(Check("fail", f"{error.message}{hint}"))
    else:
        checks += _checks(facts)
        data = facts_data(facts)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for check in checks:
        target.screen.line(f"{check.state:5} {check.text}", colours[check.state])
    failed = [check.text for check in checks if check.state == "fail"]
    code = ExitCode.REFUSED if failed else ExitCode.OK
    message = f"{len(failed)} of {len(checks)} checks failed" if failed else "all is well"
    return Outcome(code, message, {**data, "checks": [check._asdict() for check in checks]})


def _checks(facts: Facts) -> Iterator[Check]:
    problems = obstacles(facts)
    yield from (Check("fail", problem) for problem in problems)
    yield Check("ok", f"git: {facts.environment.repo}, origin/{facts.environment.branch} fetched")
    yield Check(
        "ok", f"database: {facts.url.label} answers, PostgreSQL {facts.database.identity.version}"
    )
    if facts.installed and facts.machine.node.version:
        yield Check("ok", f"prisma {facts.installed.version}, node {facts.machine.node.version}")
    if facts.machine.pg_dump.version:
        yield Check("ok", f"pg_dump {facts.machine.pg_dump.version}")
    yield from _support(facts)
    if abs(facts.machine.clock_offset) > _MOST_CLOCK_SKEW:
        yield Check(
            "warn", f"the host's clock is {facts.machine.clock_offset:+.0f} s off from here"
        )
    if not facts.database.system_identifier:
        yield Check(
            "warn",
            "the role may not read the cluster's system identifier, so two databases of one name "
            "are told apart by oid only; GRANT pg_monitor helps",
        )
    if len(facts.url.password.reveal()) < SHORTEST_BARE_SECRET:
        yield Check("warn", "the password is so short that logs are masked in URLs only")


def _support(facts: Facts) -> Iterator[Check]:
    support = facts.machine.support
    needed = ({"flock", "perl"}, {"sha256sum", "shasum"})
    for choice in needed:
        if not choice & support:
            yield Check("fail", f"the host has none of: {', '.join(sorted(choice))}")
    if "setsid" not in support:
        yield Check("warn", "the host has no setsid: a job may end with the login session")
    if "hidepid" not in support:
        yield Check(
            "warn",
            "other users of the host can see arguments of processes (no hidepid): Prisma puts the "
            "database URL into its engine's arguments while it runs",
        )
