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

_POOLER_PORTS: Final = {
    6432: "PgBouncer's usual port",
    6543: "Supabase's pooler",
    25061: "DigitalOcean's pools",
}
_POOLER_HOST: Final = re.compile(r"-pooler\.|\.pooler\.")
_SESSION_POOLER: Final = re.compile(r"\.pooler\.supabase\.com$")
"""On port 5432 it gives each client a session of its own, which is all that migrations need."""
_SSL_MODES: Final = frozenset({"disable", "prefer", "require"})
"""Those that Prisma knows; it takes every other one for `prefer`."""
_MOST_PORT: Final = 65535
_FORM: Final = "postgresql://USER:PASSWORD@HOST/DATABASE"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


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
    authority, path, query, fragment = _split(rest)
    if "@" in path or "@" in fragment or ("@" in query and "@" not in authority):
        raise WrongUrl(
            f"{source}: the user, password or database name holds a /, ?, # or @ that is not "
            "percent-encoded",
            "write / as %2F, ? as %3F, # as %23, @ as %40 in the URL",
        )
    login, found, place = authority.rpartition("@")
    user, _, password = login.partition(":")
    if not found or not user:
        raise WrongUrl(f"{source}: the URL names no user", _FORM)
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    host, port = _host_and_port(place, parameters, source)
    database = _database(path, source)
    user, password = _decoded(user, source), _decoded(password, source)
    for part in (user, password, database, host, *parameters.values()):
        if _CONTROL.search(part):
            raise WrongUrl(f"{source}: the URL holds a control character", "write the URL anew")
    secret = Secret(password)
    return DatabaseUrl(
        host=host,
        port=port,
        user=user,
        password=secret,
        database=database,
        schema=parameters.get("schema") or "public",
        variables={
            "PGHOST": host,
            "PGPORT": str(port),
            "PGUSER": user,
            "PGPASSWORD": secret,
            "PGDATABASE": database,
            **_session_variables(parameters, source),
        },
        pooler=_pooler(host, port, parameters),
        text=Secret(text),
    )


def parse_env_line(lines: str, name: str, source: str) -> str:
    """Return the value of a variable from the lines of a .env file that set it.

    The last one counts, as in dotenv and in a shell. Quotes around it are taken off. A value that
    dotenv and a shell read differently is refused: the app and we must get the same one.

    Raises:
        WrongUrl: It is not there, or cannot be read as plainly by everybody.
    """
    found = re.findall(rf"(?m)^[ \t]*(?:export[ \t]+)?{re.escape(name)}[ \t]*=(.*)$", lines)
    if not found:
        raise WrongUrl(f"{source}: it is not set there", "check env_file and name in the inventory")
    text = str(found[-1]).strip()
    quote, value = _unquoted(text, name, source)
    if re.search(r"\$\{" if quote == "'" else r"\$[A-Za-z0-9_{(@*#?$!-]", value):
        raise WrongUrl(
            f"{source}: the value is put together from other variables ($...)",
            "write it out (a $ in a password is %24), or use {command: ...} in the inventory",
        )
    if "\\" in value and quote != "'":
        raise WrongUrl(
            f"{source}: the value holds a backslash, which shells and dotenv read differently",
            "write it as %5C, or put the value in single quotes",
        )
    return value


def _unquoted(text: str, name: str, source: str) -> tuple[str, str]:
    """Return the quote around a value, or nothing, and the value without quotes and comment."""
    if (quote := text[:1]) and quote in "\"'`":
        value, end, after = text[1:].partition(quote)
        if not end:
            raise WrongUrl(f"{source}: the quote is not closed", f"mend the line of {name}")
        if after.strip() and not re.match(r"\s+#", after):
            raise WrongUrl(
                f"{source}: something follows the closing quote", f"mend the line of {name}"
            )
        return quote, value
    value = re.sub(r"(^|\s+)#.*$", "", text)
    if re.search(r"[\s#'\"`]", value):
        raise WrongUrl(
            f"{source}: the value holds a #, a quote or white space, and no quotes around it",
            f"put the value of {name} in quotes; in the URL itself # is %23 and a space %20",
        )
    return "", value


def _after_scheme(text: str, source: str) -> str:
    if not text.strip():
        raise WrongUrl(f"{source}: it is empty", "check where the inventory looks for it")
    if text[0] in "\"'`":
        raise WrongUrl(
            f"{source}: the value keeps the quotes of a .env file",
            "take the quotes off where it is set, or name the file: {env_file: ..., name: ...}",
        )
    if text != text.strip() or _CONTROL.search(text):
        raise WrongUrl(
            f"{source}: there is white space around the URL, or a line break in it", "remove it"
        )
    scheme, found, rest = text.partition("://")
    if not found:
        raise WrongUrl(f"{source}: not a URL", f"it looks like {_FORM}")
    if scheme in {"prisma", "prisma+postgres"}:
        raise WrongUrl(
            f"{source}: a {scheme}:// URL goes to Prisma's own service, not to a database",
            "set direct_url in the inventory to the database's own URL",
        )
    if scheme not in {"postgres", "postgresql"}:
        if re.search(r"postgres(ql)?$", scheme):
            raise WrongUrl(
                f"{source}: something stands before the URL",
                "the value must be the URL alone, without `psql`, `jdbc:` or `NAME=` before it",
            )
        raise WrongUrl(f"{source}: not a PostgreSQL URL", "it must start with postgresql://")
    return rest


def _split(rest: str) -> tuple[str, str, str, str]:
    """Return authority, path, query and fragment."""
    body, _, fragment = rest.partition("#")
    before, _, query = body.partition("?")
    authority, slash, path = before.partition("/")
    return authority, slash + path, query, fragment


def _decoded(text: str, source: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise WrongUrl(
            f"{source}: a % in the URL does not begin a character in UTF-8",
            "write a % of the password as %25",
        ) from None


def _database(path: str, source: str) -> str:
    name = _decoded(path.removeprefix("/").removesuffix("/"), source)
    if not name:
        raise WrongUrl(f"{source}: the URL names no database", "it ends in /DATABASE?schema=public")
    if "/" in path.removeprefix("/").removesuffix("/"):
        raise WrongUrl(
            f"{source}: the database's name holds a /", "it ends in /DATABASE?schema=public"
        )
    return name


def _host_and_port(place: str, parameters: Mapping[str, str], source: str) -> tuple[str, int]:
    """Return where the server is; `?host=` (mostly a socket's directory) wins over the rest."""
    if "," in place or "," in parameters.get("host", ""):
        raise WrongUrl(f"{source}: the URL names several hosts", "name the primary only")
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]*)(?::([0-9]{0,5}))?", place)
    if found is None:
        raise WrongUrl(f"{source}: HOST:PORT cannot be read", _FORM.replace("HOST", "HOST:5432"))
    port = int(found.group(2) or 5432)
    if not 0 < port <= _MOST_PORT:
        raise WrongUrl(f"{source}: the port is not a number from 1 to 65535", "check the URL")
    host = parameters.get("host") or _decoded(found.group(1).strip("[]"), source)
    if not host:
        raise WrongUrl(f"{source}: the URL names no host", _FORM)
    return host, port


def _session_variables(parameters: Mapping[str, str], source: str) -> dict[str, str]:
    """What Prisma's parameters mean to libpq. All others are Prisma's own, and left out."""
    if "sslidentity" in parameters:
        raise WrongUrl(
            f"{source}: sslidentity (a PKCS#12 file) is not something libpq can read",
            "set direct_url to a URL that needs no client certificate",
        )
    seconds = parameters.get("connect_timeout") or "10"
    if not re.fullmatch(r"[0-9]{1,9}", seconds):
        raise WrongUrl(f"{source}: connect_timeout is not a number of seconds", "check the URL")
    variables = {"PGCONNECT_TIMEOUT": seconds}
    mode = parameters.get("sslmode")
    if mode:
        variables["PGSSLMODE"] = mode if mode in _SSL_MODES else "prefer"
    # Otherwise Prisma accepts any certificate; libpq would check as soon as it had an authority.
    if parameters.get("sslaccept") == "strict" and mode != "disable":
        variables["PGSSLMODE"] = "verify-full"
        variables["PGSSLROOTCERT"] = _authority(parameters, source)
    for parameter, variable in (("options", "PGOPTIONS"), ("channel_binding", "PGCHANNELBINDING")):
        if parameters.get(parameter):
            variables[variable] = parameters[parameter]
    return variables


def _authority(parameters: Mapping[str, str], source: str) -> str:
    """Return libpq's sslrootcert: Prisma's `sslcert` is the authority's certificate."""
    certificate = parameters.get("sslcert") or "system"
    if certificate != "system" and not isabs(certificate):
        raise WrongUrl(f"{source}: sslcert is a relative path", "write it as an absolute path")
    return certificate


def _pooler(host: str, port: int, parameters: Mapping[str, str]) -> str:
    if parameters.get("pgbouncer") == "true":
        return "pgbouncer=true"
    if port in _POOLER_PORTS:
        return f"port {port}, {_POOLER_PORTS[port]}"
    if _SESSION_POOLER.search(host):
        return ""
    return f"host {host}" if _POOLER_HOST.search(host) else ""
