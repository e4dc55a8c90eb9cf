"""A database of the sandbox's own on a PostgreSQL server that the user names."""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import unquote, urlsplit

from ops.errors import UsageError
from ops.sandbox.database import Database, Login
from ops.sandbox.postgres import MAJORS, Binaries, binaries

_HINT: Final = "ops sandbox up --postgres postgresql://user:password@127.0.0.1:5432/postgres"
_VERSION: Final = "SELECT current_setting('server_version_num')::int / 10000"


def create(url: str, password: str) -> tuple[Database, str]:
    """Make a role and a database that it owns, both named `schooliat_<random>`.

    Args:
        url: A role that may create roles and databases, and a database to connect to.
        password: The new role's.

    Returns:
        The new database, and the name of the database to connect to for dropping it again.

    Raises:
        UsageError: Not a PostgreSQL URL.
        StepFailed: The server cannot be reached, or does not let this role do it.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.hostname or not parts.username:
        raise UsageError("--postgres: not a postgresql:// URL with host and user", _HINT)
    name = f"schooliat_{secrets.token_hex(4)}"
    owner = Login(unquote(parts.username), unquote(parts.password or ""))
    place = (parts.hostname, parts.port or 5432)
    maintenance = unquote(parts.path.lstrip("/")) or "postgres"
    probe = Database(*place, maintenance, owner, owner, binaries(max(MAJORS)))
    major = int(probe.value(_VERSION))
    database = Database(*place, name, owner, Login(name, password), _clients(major))
    literal = "'" + password.replace("'", "''") + "'"
    probe.sql(f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD {literal}")
    try:
        # The new owner must be a role that we are in, unless we are superuser.
        probe.sql(f"GRANT {name} TO CURRENT_USER;\nCREATE DATABASE {name} OWNER {name}")
    except BaseException:
        drop(database, maintenance)
        raise
    return database, maintenance


def drop(database: Database, maintenance: str) -> None:
    """Drop the database with all its sessions, and its role."""
    name = database.name
    database.sql(
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\nDROP ROLE IF EXISTS {name};\n",
        database=maintenance,
    )


def _clients(major: int) -> Binaries:
    """The oldest of our client programs that is no older than the server: pg_dump asks for that."""
    fitting = [ours for ours in sorted(MAJORS) if int(ours) >= major]
    if not fitting:
        raise UsageError(
            f"--postgres: the server is PostgreSQL {major}; this tool's clients are {max(MAJORS)}"
        )
    return binaries(fitting[0])
