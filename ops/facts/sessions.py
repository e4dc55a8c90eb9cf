"""Is a migration still at work? A killed deploy does not stop the server: it goes on alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ops.facts.database import Session
    from ops.facts.gather import Facts

_TELLING: Final = 12
"""Characters of a query below which it could be anybody's."""


def migrating(facts: Facts) -> tuple[Session, ...]:
    """Return the sessions that hold or want Prisma's advisory lock, or run a migration's text."""
    scripts = [_unix(content.decode(errors="replace")) for content in facts.git.contents.values()]

    def runs_one(session: Session) -> bool:
        query = _unix(session.query or "").strip()
        if session.state != "active" or len(query) < _TELLING:
            return False
        # pg_stat_activity shows the beginning of the text only (track_activity_query_size).
        return any(query[:900] in script for script in scripts)

    return tuple(
        session
        for session in facts.database.sessions
        if session.holds_lock or session.waits_for_lock or runs_one(session)
    )


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")
