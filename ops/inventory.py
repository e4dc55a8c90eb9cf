"""inventory.yaml: which hosts, repositories and databases there are.

The types here are the contract: the file is decoded into them (unknown keys refused), the JSON
Schema beside this module is generated from them, and every mistake becomes one line with its
place, such as `environments.prod.hosts[0].port: expected int, got str`.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml

from ops.errors import InventoryError

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
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
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
    port: Annotated[Port | None, _described("Default: the SSH configuration's, else 22.")] = None
    user: Annotated[str | None, _described("Default: the SSH configuration's, else you.")] = None
    host_key: Annotated[
        Fingerprint | None,
        _described("Pins the host's key. Default: it must stand in known_hosts."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what would be read as an option or as two values."""
        if not self.host or re.search(r"[\s@/]", self.host) or self.host.startswith("-"):
            raise ValueError(f"`host` must be a bare host name or address, got {self.host!r}")
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
            raise ValueError(f"give exactly one of `env_file`, `env`, `command`; got {given}")
        if self.name is not None and self.env is not None:
            raise ValueError("`name` does not go with `env`: `env` is the name already")
        if self.env_file is not None and not _is_host_path(self.env_file):
            raise ValueError(f"`env_file` must be absolute or start with ~/, got {self.env_file!r}")
        if not _VARIABLE.fullmatch(self.variable):
            raise ValueError(f"{self.variable!r} is not the name of a variable")
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
            if value is not None and not _is_host_path(value):
                raise ValueError(f"`{key}` must be absolute or start with ~/, got {value!r}")
        for index, value in enumerate(self.path):
            if not _is_host_path(value) or ":" in value:
                raise ValueError(
                    f"`path[{index}]` must be absolute or start with ~/, got {value!r}"
                )
        for key, inside in (("app", self.app), ("schema", f"{self.app}/{self.schema}")):
            value = getattr(self, key)
            if not value or value.startswith(("/", "~", "-")) or normpath(inside).startswith(".."):
                raise ValueError(f"`{key}` must be a path inside the repository, got {value!r}")
        if not _BRANCH.fullmatch(self.branch):
            raise ValueError(f"`branch` is not a branch name: {self.branch!r}")
        if isinstance(self.prisma, str) and not self.prisma.strip():
            raise ValueError("`prisma` is empty")
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
    here = (start or Path.cwd()).resolve()
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
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InventoryError(
            f"{path}: not UTF-8 (byte {error.start})", "save it as UTF-8"
        ) from None
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be read: {error.strerror}", f"name another file with {VARIABLE}=path"
        ) from None
    return Inventory(path, _decode(_parse(text, path), path))


def schema_json() -> bytes:
    """Return the JSON Schema of the file, for editors; checked in as ops/inventory.schema.json."""
    schema = msgspec.json.schema(InventoryFile)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    names = schema["$defs"]["InventoryFile"]["properties"]["environments"]
    names["propertyNames"] = {"pattern": f"^{_NAME.pattern}$", "not": {"enum": sorted(RESERVED)}}
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2) + b"\n"


class _UniqueKeys(yaml.SafeLoader):
    """YAML whose repeated keys are an error: PyYAML takes the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem=f"the key `{key}` stands here twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _parse(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = (error.problem or "not YAML").strip()
        raise InventoryError(f"{place}: {problem}", "mend the YAML at this place") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        problem = str(error).splitlines()[0] if str(error) else "not YAML"
        raise InventoryError(f"{path}: {problem}", "mend the YAML") from None


def _decode(document: Any, path: Path) -> dict[str, Environment]:
    if not isinstance(document, dict) or not isinstance(document.get("environments"), dict):
        raise InventoryError(
            f"{path}: environments: expected a mapping of names to environments",
            "start with `environments:` and an indented name below it",
        )
    for key in document:
        if key != "environments":
            raise InventoryError(
                f"{path}: {key}: unknown key at the top",
                "only `environments` stands there" + _suggest(str(key), ["environments"]),
            )
    found: dict[str, Environment] = {}
    spelled: dict[str, str] = {}
    for name, value in document["environments"].items():
        place = f"environments.{name}"
        _check_name(name, spelled, f"{path}: {place}")
        _check_strings(value, f"{path}: {place}")
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


def _check_strings(value: Any, place: str) -> None:
    """Refuse control characters everywhere: no value of ours needs a newline or a NUL."""
    if isinstance(value, str) and _CONTROL.search(value):
        raise InventoryError(f"{place}: holds a control character or a line break", "remove it")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_strings(inner, f"{place}.{key}")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            _check_strings(inner, f"{place}[{index}]")


def _explain(message: str, path: Path, place: str) -> InventoryError:
    """Turn msgspec's message into ours: place first, in the file's own words."""
    text, _, where = message.partition(" - at `$")
    place = f"{path}: {place}{where.rstrip('`')}"
    if unknown := re.search(r"unknown field `(.*)`", text):
        key = unknown.group(1)
        return InventoryError(
            f"{place}.{key}: unknown key", f"see docs/inventory.md{_suggest(key, _all_keys())}"
        )
    if missing := re.search(r"missing required field `(.*)`", text):
        return InventoryError(f"{place}.{missing.group(1)}: is missing", "see docs/inventory.md")
    if own := re.match(r"`([a-z_]+(?:\[\d+\])?)` (.*)", text):
        return InventoryError(f"{place}.{own.group(1)}: {own.group(2)}", "see docs/inventory.md")
    text = text.replace("`", "")
    return InventoryError(f"{place}: {text[:1].lower()}{text[1:]}", "see docs/inventory.md")


def _all_keys() -> list[str]:
    types: tuple[type[msgspec.Struct], ...] = (Environment, Host, UrlSource, PrismaCommand)
    return [field for kind in types for field in kind.__struct_fields__]


def _suggest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _is_host_path(value: str) -> bool:
    return (
        value.startswith(("/", "~/")) and ".." not in PurePosixPath(value).parts
    ) or value == "~"
