"""inventory.yaml: which hosts, repositories and databases there are.

The types here are the contract: the file is decoded into them (unknown keys refused), the JSON
Schema beside this module is generated from them, and every mistake becomes one line with its
place, such as `environments.prod.hosts[0].port: expected int, got str`.
"""

from __future__ import annotations

import difflib
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec

from ops.errors import InventoryError
from ops.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_NAME: Final = "inventory.yaml"
VARIABLE: Final = "OPS_INVENTORY"
"""Environment variable that names another inventory file."""

RESERVED: Final = frozenset(
    {
        "attach", "backup", "backups", "deploy", "diagnose", "doctor", "explain", "help",
        "inventory", "migrate", "prune", "recover", "resolve", "restore", "resume", "runbook",
        "runs", "start", "status", "unlock", "verify",
    }
)  # fmt: skip
"""Names of actions, present and planned. `fab NAME` must never be able to mean two things."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
_LONGEST_NAME: Final = 63
"""Characters: names are parts of file names on the host."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BRANCH: Final = re.compile(r"(?!-)(?!.*(\.\.|//|@\{|\.lock$|\.$|/$))[^\s~^:?*\[\\]+")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _described(text: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **limits)


Port = Annotated[int, _described("TCP port, 1 to 65535.", ge=1, le=65535)]
Fingerprint = Annotated[
    str,
    _described(
        "The host key's SHA256 fingerprint, as `ssh-keyscan HOST | ssh-keygen -lf -` prints it.",
        pattern="^SHA256:[A-Za-z0-9+/]{43}$",
    ),
]


class _Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the inventory."""


class Host(_Checked, frozen=True):
    """One machine that is reached by SSH. What is not said comes from ~/.ssh/config."""

    host: Annotated[str, _described("Name, address, or alias from the SSH configuration.")]
    port: Annotated[
        Port | None, _described("1 to 65535. Default: the SSH configuration's, else 22.")
    ] = None
    user: Annotated[str | None, _described("Default: the SSH configuration's, else you.")] = None
    host_key: Annotated[
        Fingerprint | None,
        _described("Pins the host's key. Default: it must stand in known_hosts."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what would be read as an option or as two values."""
        if not self.host or re.search(r"[\s@/,\[\]]|^-|^[^:]*:[^:]*$", self.host):
            raise ValueError(
                f"`host` must be a bare host name or address, without user and port, "
                f"got {self.host!r}"
            )
        if self.user is not None and (not self.user or re.search(r"[\s@:]|^-", self.user)):
            raise ValueError(f"`user` must be a login name, got {self.user!r}")


class UrlSource(_Checked, frozen=True):
    """Where a database URL is found on the host. Give exactly one of the three forms."""

    env_file: Annotated[str | None, _described("A .env file on the host.")] = None
    name: Annotated[
        str | None, _described("The variable's name in env_file. Default: DATABASE_URL.")
    ] = None
    env: Annotated[str | None, _described("A variable of the user's login shell.")] = None
    command: Annotated[str | None, _described("A shell command that prints the URL.")] = None

    def __post_init__(self) -> None:
        """Refuse none, or several, of the three forms."""
        given = [key for key in ("env_file", "env", "command") if getattr(self, key) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            raise ValueError(f"give exactly one of env_file, env, command; got {got}")
        if self.name is not None and self.env is not None:
            raise ValueError("`name` does not go with env: env is the name already")
        if self.env_file is not None:
            _check_host_path("env_file", self.env_file)
        for key in ("env", "name"):
            value = getattr(self, key)
            if value is not None and not _VARIABLE.fullmatch(value):
                raise ValueError(f"`{key}` must be the name of a variable, got {value!r}")
        if self.command is not None and not self.command.strip():
            raise ValueError("`command` is empty")

    @property
    def variable(self) -> str:
        """Name under which Prisma gets the URL."""
        return self.env or self.name or "DATABASE_URL"


class PrismaCommand(_Checked, frozen=True):
    """How Prisma is called, where it is not the app's own node_modules/.bin/prisma."""

    cli: Annotated[
        list[str] | None,
        _described('Instead of node_modules/.bin/prisma, e.g. ["bunx", "prisma"].'),
    ] = None
    deploy: Annotated[
        str | None,
        _described('Instead of `prisma migrate deploy`, e.g. "npm run prisma:migrate:deploy".'),
    ] = None

    def __post_init__(self) -> None:
        """Refuse empty commands."""
        if self.cli is not None and (not self.cli or not all(self.cli)):
            raise ValueError("`cli` must be a list of words")
        if self.deploy is not None and not self.deploy.strip():
            raise ValueError("`deploy` is empty")


class Scratch(_Checked, frozen=True):
    """Where copies are made on which a repair is proved, and how much goes there."""

    url: Annotated[
        UrlSource | None,
        _described("A database of another server, as seen from the host. Default: production's."),
    ] = None
    data: Annotated[
        bool, _described("Rows may be copied to that other server. Default: only the schema is.")
    ] = False
    limit: Annotated[
        int, _described("MiB of rows that are copied at most for one proof.", ge=0, le=1 << 20)
    ] = 1024


class Environment(_Checked, frozen=True):
    """One production, staging, ... host with one app and one database."""

    hosts: Annotated[list[Host], _described("The machines of this environment.", min_length=1)]
    repo: Annotated[str, _described("The app's git checkout on the host.")]
    database_url: Annotated[UrlSource, _described("Where the database URL is found on the host.")]
    backups: Annotated[str, _described("Directory on the host for backups (made with mode 0700).")]
    branch: Annotated[str, _described("The branch that production follows.")] = "main"
    app: Annotated[str, _described("Where package.json lies, inside repo.")] = "."
    schema: Annotated[str, _described("Prisma's schema file or folder, inside app.")] = (
        "prisma/schema.prisma"
    )
    direct_url: Annotated[
        UrlSource | None,
        _described("URL for migrations and dumps, where database_url goes through a pooler."),
    ] = None
    path: Annotated[
        list[str], _described("Directories put before PATH on the host, for node and pg_dump.")
    ] = []
    prisma: Annotated[
        str | list[str] | PrismaCommand | None,
        _described(
            "A string: the command for deploy, e.g. `npm run prisma:migrate:deploy`. "
            "A list: the CLI's words instead of node_modules/.bin/prisma."
        ),
    ] = None
    install: Annotated[
        Literal["auto", "never"],
        _described("auto: install packages when the lock file changed or Prisma does not match."),
    ] = "auto"
    confirm: Annotated[
        bool, _described("Ask for the environment's name before changing anything.")
    ] = True
    scratch: Annotated[
        Scratch, _described("Where copies are made on which a repair is proved.")
    ] = Scratch()
    ssh_config: Annotated[
        str | None,
        _described("An SSH configuration file, relative to this one, instead of ~/.ssh/config."),
    ] = None
    state: Annotated[
        str | None,
        _described("Directory on the host for runs and the lock. Default: in the git directory."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse paths that mean something else on the host than they seem to."""
        for key in ("repo", "backups", "state"):
            value = getattr(self, key)
            if value is not None:
                _check_host_path(key, value)
        for index, value in enumerate(self.path):
            _check_host_path(f"path[{index}]", value, forbidden=":")
        for key, inside in (("app", self.app), ("schema", f"{self.app}/{self.schema}")):
            value = getattr(self, key)
            if not value or value.startswith(("/", "~", "-")) or normpath(inside).startswith(".."):
                raise ValueError(f"`{key}` must be a path inside the repository, got {value!r}")
        if not _BRANCH.fullmatch(self.branch):
            raise ValueError(f"`branch` must be the name of a branch, got {self.branch!r}")
        for key in ("ssh_config", "prisma"):
            value = getattr(self, key)
            if isinstance(value, str) and not value.strip():
                raise ValueError(f"`{key}` is empty")
        if isinstance(self.prisma, list) and (not self.prisma or not all(self.prisma)):
            raise ValueError("`prisma` must be a list of words")

    @property
    def prisma_command(self) -> PrismaCommand:
        """The `prisma` key in its long form."""
        if isinstance(self.prisma, PrismaCommand):
            return self.prisma
        if isinstance(self.prisma, str):
            return PrismaCommand(deploy=self.prisma)
        return PrismaCommand(cli=self.prisma)


class InventoryFile(_Checked, frozen=True):
    """prisma-ops: the environments and how their hosts are reached."""

    environments: Annotated[
        dict[str, Environment], _described("By name, as typed in `fab NAME recover`.")
    ]


@dataclass(frozen=True)
class Inventory:
    """A file that was read and found right."""

    path: Path
    environments: dict[str, Environment]

    def environment(self, name: str) -> Environment:
        """Return one environment; UsageError names those that exist."""
        found = self.environments.get(name)
        if found is None:
            known = ", ".join(sorted(self.environments)) or "none"
            raise InventoryError(
                f"environments.{name}: there is no such environment in {self.path}",
                f"environments there: {known}{_suggest(name, self.environments)}",
            )
        return found


def locate(start: Path | None = None) -> Path:
    """Return the inventory's path: $OPS_INVENTORY, else the nearest inventory.yaml upwards.

    Raises:
        InventoryError: There is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    try:
        here = (start or Path.cwd()).resolve()
    except FileNotFoundError:
        raise InventoryError(
            "the current directory does not exist any more", "change to another one"
        ) from None
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise InventoryError(
        f"there is no {FILE_NAME} in {here} or above",
        f"stand in the directory that holds it, or name it: {VARIABLE}=path",
    )


def load(path: Path) -> Inventory:
    """Read and check an inventory.

    Raises:
        InventoryError: One line: file, place, what is wrong; the hint says how to mend it.
    """
    return Inventory(path, _decode(read_yaml(path), path))


def schema_json() -> bytes:
    """Return the JSON Schema of the file, for editors; checked in as ops/inventory.schema.json."""
    schema = msgspec.json.schema(InventoryFile)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    names = schema["$defs"]["InventoryFile"]["properties"]["environments"]
    names["propertyNames"] = {"pattern": f"^{_NAME.pattern}$", "not": {"enum": sorted(RESERVED)}}
    names["propertyNames"]["maxLength"] = _LONGEST_NAME
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"


def _decode(document: Any, path: Path) -> dict[str, Environment]:
    for key in document if isinstance(document, dict) else ():
        if key != "environments":
            raise InventoryError(
                f"{path}: {_shown(key)}: unknown key at the top",
                f"only `environments` stands there{_suggest(str(key), ['environments'])}",
            )
    if not isinstance(document, dict) or not isinstance(document.get("environments"), dict):
        raise InventoryError(
            f"{path}: environments: expected a mapping of names to environments",
            "start with `environments:` and an indented name below it",
        )
    found: dict[str, Environment] = {}
    spelled: dict[str, str] = {}
    for name, value in document["environments"].items():
        place = f"environments.{_shown(name)}"
        _check_name(name, spelled, f"{path}: {place}")
        _check_strings(value, f"{path}: {place}", set())
        try:
            found[name] = msgspec.convert(value, Environment)
        except msgspec.ValidationError as error:
            raise _explain(str(error), path, place) from None
    if not found:
        raise InventoryError(
            f"{path}: environments: there is none", "add one, see docs/inventory.md"
        )
    return found


def _check_name(name: Any, spelled: dict[str, str], place: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InventoryError(
            f"{place}: not a name for an environment",
            "lower-case letters, digits, _ and -, beginning with a letter; quote yes, no, on, off",
        )
    if len(name) > _LONGEST_NAME:
        raise InventoryError(
            f"{place}: the name is too long", f"at most {_LONGEST_NAME} characters"
        )
    typed = name.replace("_", "-")  # Fabric shows and takes tasks with dashes
    if typed in RESERVED:
        raise InventoryError(
            f"{place}: `{name}` is the name of an action", f"call it e.g. {name}-host"
        )
    if typed in spelled:
        raise InventoryError(
            f"{place}: on the command line this is the same as `{spelled[typed]}`",
            "Fabric reads _ as -: give one of them another name",
        )
    spelled[typed] = name


def _check_strings(value: Any, place: str, seen: set[int]) -> None:
    """Refuse control characters everywhere: no value of ours needs a newline or a NUL.

    `seen` are the parts that were looked at: aliases can make a few lines endless, or huge.
    """
    if isinstance(value, str) and _CONTROL.search(value):
        raise InventoryError(
            f"{place}: holds a control character or a line break", "write it on one line, plainly"
        )
    if not isinstance(value, dict | list) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_strings(key, place, seen)
            _check_strings(inner, f"{place}.{key}", seen)
    else:
        for index, inner in enumerate(value):
            _check_strings(inner, f"{place}[{index}]", seen)


def _explain(message: str, path: Path, place: str) -> InventoryError:
    """Turn msgspec's message into ours: place first, in the file's own words."""
    text, separator, where = message.rpartition(" - at `$")
    if not separator:
        text, where = message, ""
    place = f"{path}: {place}{where.rstrip('`')}"
    if unknown := re.search(r"unknown field `(.*)`", text):
        key = unknown.group(1)
        hint = f"see docs/inventory.md{_suggest(key, descriptions())}"
        return InventoryError(f"{place}.{key}: unknown key", hint)
    if missing := re.search(r"missing required field `(.*)`", text):
        key = missing.group(1)
        return InventoryError(f"{place}.{key}: is missing", _about(key))
    if own := re.match(r"`([a-z_]+(?:\[\d+\])?)` (.*)", text):
        return InventoryError(f"{place}.{own.group(1)}: {own.group(2)}", _about(own.group(1)))
    if "matching regex" in text:
        text = "not a fingerprint: it is SHA256: and 43 letters, digits, + and /"
    for kind, word in (("object", "mapping"), ("array", "list")):
        text = re.sub(rf"\b{kind}\b", word, text)
    text = text.replace("`", "")
    return InventoryError(f"{place}: {text[:1].lower()}{text[1:]}", _about(place))


def descriptions() -> dict[str, str]:
    """Return what each key of the file means. No key is used in two meanings."""
    found = {}
    for kind in (Environment, Host, UrlSource, PrismaCommand, Scratch):
        for key, hint in get_type_hints(kind, include_extras=True).items():
            found[key] = next(
                meta.description
                for meta in get_args(hint)
                if isinstance(meta, msgspec.Meta) and meta.description
            )
    return found


def _shown(key: Any) -> str:
    return textwrap.shorten(str(key), 80, placeholder="...") or "(empty)"


def _about(place: str) -> str:
    """Return a hint for a place: what is meant to stand there."""
    key = re.sub(r"(\[[^]]*\])+$", "", place).rpartition(".")[2]
    meaning = descriptions().get(key)
    return f"{key}: {meaning}" if meaning else "see docs/inventory.md"


def _suggest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _check_host_path(key: str, value: str, forbidden: str = "") -> None:
    if ".." in PurePosixPath(value).parts:
        raise ValueError(f"`{key}` must not go up with .., got {value!r}")
    if value != "~" and not value.startswith(("/", "~/")):
        raise ValueError(f"`{key}` must be absolute or start with ~/, got {value!r}")
    if forbidden and forbidden in value:
        raise ValueError(f"`{key}` must be one path, without {forbidden}, got {value!r}")
