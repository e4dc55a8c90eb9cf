"""The app as Prisma sees it: its schema, configuration, migrations, and Prisma's version.

Which directory holds the migrations depends on Prisma's version (measured on 4.16 to 7.10):
up to 6.5 it is beside the schema file (beside the schema *folder*); from 6.6 on it is beside the
file with the datasource; from 7 on it is in the schema folder. A `migrations.path` in
prisma.config.* wins from 6.6 on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, Final

from ops.facts.frames import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.facts.frames import Frames
    from ops.facts.git import Git, Tree


@dataclass(frozen=True, order=True)
class Version:
    """A version of Prisma, as far as decisions need it."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


_READS_PRISMA7_CONFIG: Final = Version(7, 10)
_STRING: Final = re.compile(r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)""")


@dataclass(frozen=True)
class Installed:
    """The Prisma that lies in node_modules.

    Args:
        directory: On the host; `node_modules` lies in it.
        version: As its package.json says, e.g. `6.19.3`.
        since: When it was put there.
    """

    directory: str
    version: str
    since: datetime


@dataclass(frozen=True)
class Script:
    """One migration: a directory with migration.sql.

    Args:
        name: The directory's name.
        content: The SQL; None where migration.sql is missing (Prisma then stops with P3015).
    """

    name: str
    content: bytes | None


@dataclass(frozen=True)
class App:
    """The app at one commit.

    Args:
        migrations_directory: From the top of the repository.
        migrations: Every directory there, in Prisma's order (by bytes).
        lock_provider: The provider that migration_lock.toml names; empty when Prisma cannot read
            one there, None when there is no such file.
        provider: The datasource's provider, or empty.
        url_variables: Environment variables that schema and configuration read a URL from.
        may_use_adapter: Whether the configuration may set a driver adapter.
        configuration: Whether there is a prisma.config.* file.
        scripts: The scripts of package.json.
        prisma_is_dev: Whether Prisma is a devDependency.
        schema_found: Whether the schema of the inventory exists.
    """

    migrations_directory: str
    migrations: tuple[Script, ...]
    lock_provider: str | None
    provider: str
    url_variables: tuple[str, ...]
    may_use_adapter: bool
    configuration: bool
    scripts: Mapping[str, str]
    prisma_is_dev: bool
    schema_found: bool

    def script(self, name: str) -> Script | None:
        """Return the migration of that name."""
        return next((script for script in self.migrations if script.name == name), None)


def parse_version(text: str) -> Version | None:
    """Return the version in `6.19.3`, or None."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return Version(int(found.group(1)), int(found.group(2))) if found else None


def parse_installed(frames: Frames) -> Installed | None:
    """Read the Prisma in node_modules; None where there is none."""
    frame = frames.get("installed")
    if frame.exit_code != 0:
        return None
    if len(frame.lines) != 3:  # noqa: PLR2004 - directory, version, time
        raise Unknown(f"Prisma's package.json cannot be read: {frame.text!r}")
    directory, version, since = frame.lines
    return Installed(directory, version, datetime.fromtimestamp(int(since), UTC))


def parse_app(
    frames: Frames, label: str, git: Git, tree: Tree, app: str, schema: str, version: Version | None
) -> App:
    """Read the app at one commit.

    Args:
        frames: The probes.
        label: `head` or `main`.
        git: The checkout, for the files' contents.
        tree: The commit.
        app: Where package.json lies, inside the repository.
        schema: The schema file or folder, inside app.
        version: Prisma's version at that commit, if known.
    """
    schemas = _files(frames.get(f"schema {label}").text)
    configs = _files(frames.need(f"configs {label}", "prisma.config.* cannot be read").text)
    if label == "head":  # what lies on the disk counts there, tracked or not
        configs = _files(frames.need("configs disk", "prisma.config.* cannot be read").text)
    config = "\n".join(map(_without_comments, _in_force(configs, version)))
    place = normpath(join(app, schema))
    directory = _migrations_directory(place, schemas, config, app, version)
    datasource = "\n".join(re.findall(r"(?ms)^datasource\s.*?^\}", "\n".join(schemas.values())))
    package = _package(frames.get(f"package {label}").text)
    return App(
        migrations_directory=directory,
        migrations=_migrations(directory, tree, git.contents),
        lock_provider=_lock_provider(directory, tree, git.contents),
        provider=_canonical(_first(r'(?m)^\s*provider\s*=\s*"([^"]*)"', datasource)),
        url_variables=_url_variables(datasource, config),
        may_use_adapter=may_use_adapter("\n".join(configs.values())),
        configuration=bool(configs),
        scripts=_texts(package.get("scripts")),
        prisma_is_dev="prisma" in _texts(package.get("devDependencies")),
        schema_found=bool(schemas),
    )


def untracked_migrations(git: Git, app: App) -> tuple[str, ...]:
    """Return directories on disk that Prisma would run although git does not have them."""
    known = {script.name for script in app.migrations}
    return tuple(
        sorted(
            path
            for path in git.directories
            if dirname(path) == app.migrations_directory
            and path.rpartition("/")[2] not in known
            and not any(name.startswith(path + "/") for name in git.head.files)
        )
    )


def _files(text: str) -> dict[str, str]:
    """Split what `show` printed: `# file: PATH` before each file."""
    parts = re.split(r"(?m)^# file: (.*)\n", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _migrations_directory(
    place: str, schemas: Mapping[str, str], config: str, app: str, version: Version | None
) -> str:
    folder = place not in schemas
    if version is None or version >= Version(6, 6):
        if configured := _configured_path(config):
            return normpath(join(app, configured))
        if version and version.major >= 7:  # noqa: PLR2004
            return join(place if folder else dirname(place), "migrations")
        holders = [path for path, text in schemas.items() if re.search(r"(?m)^datasource\s", text)]
        return join(dirname(holders[0] if holders else place), "migrations")
    return join(dirname(place), "migrations")


def _in_force(configs: Mapping[str, str], version: Version | None) -> list[str]:
    """Return the texts of those prisma.config.* that this version of Prisma reads."""
    seven = [text for path, text in configs.items() if "prisma7.config." in path]
    others = [text for path, text in configs.items() if "prisma7.config." not in path]
    if version is None:
        return [*seven, *others]
    return (seven or others) if version >= _READS_PRISMA7_CONFIG else others


def _configured_path(config: str) -> str:
    """Return `migrations.path` of a prisma.config.* file, which is code and is not run here."""
    if not _speaks_of("migrations", config):
        return ""
    block = _block(config, "migrations")
    path = re.search(r"""\bpath["']?\s*:\s*(["'`])([^"'`$]+)\1\s*(?:,|\Z)""", block or "")
    if path:
        return path.group(2)
    if block is None or "..." in block or _speaks_of("path", block):
        raise Unknown(
            "prisma.config: migrations.path is put together by code, so where the migrations lie "
            "is not known",
            "write it as a plain string: migrations: { path: 'prisma/migrations' }",
        )
    return ""


def _speaks_of(name: str, code: str) -> bool:
    """Whether JavaScript uses a name, other than as text in a string."""
    quoted_key = rf"""["']{name}["']\s*:"""
    return bool(re.search(rf"\b{name}\b", _STRING.sub('""', code)) or re.search(quoted_key, code))


def _block(code: str, key: str) -> str | None:
    """Return what stands between the braces after `key:`; None where no literal object does."""
    found = re.search(rf"""\b{key}["']?\s*:\s*\{{""", code)
    depth = 1
    for edge in re.finditer(r"[{}]", code[found.end() :]) if found else ():
        depth += 1 if edge.group() == "{" else -1
        if found and depth == 0:
            return code[found.end() : found.end() + edge.start()].strip()
    return None


def _without_comments(code: str) -> str:
    """Return JavaScript without its comments; `//` inside a string is none."""
    pattern = rf"({_STRING.pattern})|//[^\n]*|/\*.*?\*/"
    return re.sub(pattern, lambda found: found.group(1) or " ", code, flags=re.DOTALL)


def may_use_adapter(configs: str) -> bool:
    """Whether a driver adapter may be set: it is named, or the code takes in what is not seen."""
    return bool(re.search(r"""adapter|\.\.\.|(?:from|require\(|import\(?)\s*["']\.""", configs))


def _migrations(directory: str, tree: Tree, contents: Mapping[str, bytes]) -> tuple[Script, ...]:
    prefix = directory + "/"
    found: dict[str, bytes | None] = {}
    for path, blob in tree.files.items():
        name, inside, rest = path.removeprefix(prefix).partition("/")
        if path.startswith(prefix) and inside:
            found.setdefault(name, None)
            if rest == "migration.sql":
                found[name] = contents.get(blob)
    return tuple(Script(name, found[name]) for name in sorted(found, key=str.encode))


def _lock_provider(directory: str, tree: Tree, contents: Mapping[str, bytes]) -> str | None:
    blob = tree.files.get(f"{directory}/migration_lock.toml")
    if blob is None:
        return None
    text = contents.get(blob, b"").decode(errors="replace")
    return _canonical(_first(r'(?m)^provider = "([^"]*)"', text))


def _canonical(provider: str) -> str:
    """Prisma knows PostgreSQL by two names."""
    return "postgresql" if provider == "postgres" else provider


def _url_variables(datasource: str, config: str) -> tuple[str, ...]:
    """Return the names of the variables, or words that say why one is not known."""
    names: list[str] = []
    for value in re.findall(r"(?m)^\s*(?:url|directUrl)\s*=\s*(.*)$", datasource):
        variable = re.match(r'env\(\s*"([^"]+)"\s*\)', value)
        names.append(variable.group(1) if variable else "a text in the schema itself")
    for value in re.findall(
        r"\b(?:url|directUrl)\s*:\s*([^,\n]*)", _block(config, "datasource") or ""
    ):
        found = re.findall(
            r"""\benv(?:<\w+>)?\(\s*["']([^"']+)["']|process\.env\.(\w+)|process\.env\[["'](\w+)""",
            value,
        )
        names += [name for names_found in found for name in names_found if name]
        if not found:
            names.append("code in prisma.config that is not read here")
    return tuple(dict.fromkeys(names))


def _package(text: str) -> dict[str, object]:
    try:
        package = json.loads(text)
    except ValueError:
        return {}
    return package if isinstance(package, dict) else {}


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(key): text for key, text in value.items() if isinstance(text, str)}


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""
