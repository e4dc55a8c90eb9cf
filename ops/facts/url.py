"""A Prisma database URL, taken apart parameter by parameter.

libpq must never see Prisma's URL: it refuses Prisma's own parameters (`schema`,
`connection_limit`, ...), takes a URL of another scheme for a database *name* on the local socket,
and a URL in an argument list is seen by everybody. So it becomes PG* variables.
The parameters are those of prisma-engines, schema-engine/connectors/.../url.rs, 310-445.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import isabs
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from ops.errors import Refused
from ops.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_POOLER_PORTS: Final = {6432: "PgBouncer's usual port", 6543: "Supabase's pooler"}
_POOLER_HOST: Final = re.compile(r"-pooler\.|\.pooler\.")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class WrongUrl(Refused):
    """The database URL cannot be used; the message says why, without showing it."""


@dataclass(frozen=True)
class DatabaseUrl:
    """Where a database is, and how libpq gets there.

    Args:
        variables: PG* variables for psql and pg_dump.
        schema: The schema of Prisma's tables and ledger (`?schema=`, default `public`).
        pooler: Why it looks like a connection pooler, or empty.
        text: The URL as Prisma gets it.
    """

    host: str
    port: int
    user: str
    password: Secret
    database: str
    schema: str
    variables: Mapping[str, str | Secret]
    pooler: str
    text: Secret

    @property
    def label(self) -> str:
        """`user@host:port/database`, for people."""
        return f"{self.user}@{self.host}:{self.port}/{self.database}"


def parse_url(text: str, source: str) -> DatabaseUrl:
    """Take a URL apart.

    Args:
        text: As found on the host.
        source: Where it was found, for the messages, e.g. `DATABASE_URL in /srv/.env`.

    Raises:
        WrongUrl: It is missing, not a URL, or not one of PostgreSQL's.
    """
    rest = _after_scheme(text, source)
    authority, path, query = _split(rest)
    if "@" not in authority:
        if "@" in rest:
            raise WrongUrl(
                f"{source}: the password holds a /, ? or # that is not percent-encoded",
                "write / as %2F, ? as %3F, # as %23, @ as %40 in the URL",
            )
        raise WrongUrl(
            f"{source}: the URL names no user", "postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    login, _, place = authority.rpartition("@")
    user, _, password = login.partition(":")
    host, port = _host_and_port(place, source)
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    host = parameters.get("host") or host
    if not host:
        raise WrongUrl(
            f"{source}: the URL names no host", "postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    database = unquote(path.strip("/"))
    if not database:
        raise WrongUrl(f"{source}: the URL names no database", "it ends in /DATABASE?schema=public")
    secret = Secret(unquote(password))
    for part in (unquote(user), secret.reveal(), database, host, *parameters.values()):
        if _CONTROL.search(part):
            raise WrongUrl(f"{source}: the URL holds a control character", "write the URL anew")
    return DatabaseUrl(
        host=host,
        port=port,
        user=unquote(user),
        password=secret,
        database=database,
        schema=parameters.get("schema") or "public",
        variables={
            "PGHOST": host,
            "PGPORT": str(port),
            "PGUSER": unquote(user),
            "PGPASSWORD": secret,
            "PGDATABASE": database,
            **_session_variables(parameters, source),
        },
        pooler=_pooler(host, port, parameters),
        text=Secret(text),
    )


def parse_env_line(lines: str, name: str, source: str) -> str:
    """Return the value of a variable from the lines of a .env file that set it.

    The last one counts, as in dotenv and in a shell. Quotes around it are taken off; what cannot
    be read as plainly by everybody is refused.

    Raises:
        WrongUrl: It is not there, or uses ${...}.
    """
    found = re.findall(rf"(?m)^\s*(?:export\s+)?{re.escape(name)}\s*=\s*(.*?)\s*$", lines)
    if not found:
        raise WrongUrl(f"{source}: it is not set there", "check env_file and name in the inventory")
    value = str(found[-1])
    if (quote := value[:1]) in {'"', "'", "`"}:
        end = value.find(quote, 1)
        if end < 0:
            raise WrongUrl(f"{source}: the quote is not closed", f"mend the line of {name}")
        value = value[1:end]
    else:
        value = re.sub(r"\s+#.*$", "", value)
        quote = ""
    if quote != "'" and re.search(r"\$\{?[A-Za-z_]", value):
        raise WrongUrl(
            f"{source}: the value is put together from other variables ($...)",
            "write it out (a $ in a password is %24), or use {command: ...} in the inventory",
        )
    return value


def _after_scheme(text: str, source: str) -> str:
    if not text.strip():
        raise WrongUrl(f"{source}: it is empty", "check where the inventory looks for it")
    if text[0] in "\"'`":
        raise WrongUrl(
            f"{source}: the value keeps the quotes of a .env file",
            "take the quotes off where it is set, or name the file: {env_file: ..., name: ...}",
        )
    if text != text.strip() or _CONTROL.search(text):
        raise WrongUrl(f"{source}: there is white space around the URL", "remove it")
    scheme, found, rest = text.partition("://")
    if not found:
        raise WrongUrl(f"{source}: not a URL", "it looks like postgresql://USER:PASSWORD@HOST/DB")
    if scheme in {"prisma", "prisma+postgres"}:
        raise WrongUrl(
            f"{source}: a {scheme}:// URL goes to Prisma's own service, not to a database",
            "set direct_url in the inventory to the database's own URL",
        )
    if scheme not in {"postgres", "postgresql"}:
        raise WrongUrl(f"{source}: not a PostgreSQL URL", "it must start with postgresql://")
    return rest


def _split(rest: str) -> tuple[str, str, str]:
    """Return authority, path and query. A fragment means an unencoded # and is left in place."""
    found = re.match(r"([^/?#]*)([^?#]*)(?:\?([^#]*))?", rest)
    assert found is not None  # noqa: S101 - every part may be empty
    return found.group(1), found.group(2), found.group(3) or ""


def _host_and_port(place: str, source: str) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:]*)(?::(.*))?", place)
    host, port = (found.group(1), found.group(2)) if found else ("", "?")
    if port and (not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536):  # noqa: PLR2004
        raise WrongUrl(f"{source}: the port is not a number from 1 to 65535", "check the URL")
    if "," in host:
        raise WrongUrl(f"{source}: the URL names several hosts", "name the primary only")
    return unquote(host.strip("[]")), int(port or 5432)


def _session_variables(parameters: Mapping[str, str], source: str) -> dict[str, str]:
    """What Prisma's parameters mean to libpq. All others are Prisma's own, and left out."""
    if "sslidentity" in parameters:
        raise WrongUrl(
            f"{source}: sslidentity (a PKCS#12 file) is not something libpq can read",
            "set direct_url to a URL that needs no client certificate",
        )
    variables = {"PGCONNECT_TIMEOUT": parameters.get("connect_timeout") or "10"}
    if mode := parameters.get("sslmode"):
        variables["PGSSLMODE"] = mode
    certificate = parameters.get(
        "sslcert"
    )  # Prisma's sslcert is the authority: libpq's sslrootcert
    if parameters.get("sslaccept") == "strict":
        variables["PGSSLMODE"] = "verify-full"
        variables["PGSSLROOTCERT"] = "system"
    if certificate:
        if not isabs(certificate):
            raise WrongUrl(f"{source}: sslcert is a relative path", "write it as an absolute path")
        variables["PGSSLROOTCERT"] = certificate
    for parameter, variable in (("options", "PGOPTIONS"), ("channel_binding", "PGCHANNELBINDING")):
        if parameters.get(parameter):
            variables[variable] = parameters[parameter]
    return variables


def _pooler(host: str, port: int, parameters: Mapping[str, str]) -> str:
    if parameters.get("pgbouncer") == "true":
        return "pgbouncer=true"
    if port in _POOLER_PORTS:
        return f"port {port}, {_POOLER_PORTS[port]}"
    return f"host {host}" if _POOLER_HOST.search(host) else ""
