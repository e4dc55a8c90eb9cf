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
from typing import TYPE_CHECKING

from ops.facts.frames import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ops.facts.frames import Frames
    from ops.facts.git import Git, Tree


@dataclass(frozen=True, order=True)
class Version:
    """A version of Prisma, as far as decisions need it."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


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
        lock_provider: The provider that migration_lock.toml names, or empty.
        provider: The datasource's provider, or empty.
        url_variables: Environment variables that schema and configuration read a URL from.
        uses_adapter: Whether the configuration speaks of a driver adapter.
        configuration: Whether there is a prisma.config.* file.
        scripts: The scripts of package.json.
        prisma_is_dev: Whether Prisma is a devDependency.
        schema_found: Whether the schema of the inventory exists.
    """

    migrations_directory: str
    migrations: tuple[Script, ...]
    lock_provider: str
    provider: str
    url_variables: tuple[str, ...]
    uses_adapter: bool
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
    place = normpath(join(app, schema))
    directory = _migrations_directory(place, schemas, "\n".join(configs.values()), app, version)
    datasource = "\n".join(re.findall(r"(?ms)^datasource\s.*?^\}", "\n".join(schemas.values())))
    package = _package(frames.get(f"package {label}").text)
    return App(
        migrations_directory=directory,
        migrations=_migrations(directory, tree, git.contents),
        lock_provider=_lock_provider(directory, tree, git.contents),
        provider=_first(r'(?m)^\s*provider\s*=\s*"([^"]*)"', datasource),
        url_variables=_url_variables(datasource, "\n".join(configs.values())),
        uses_adapter=any("adapter" in text for text in configs.values()),
        configuration=bool(configs),
        scripts=package.get("scripts", {}),
        prisma_is_dev="prisma" in package.get("devDependencies", {}),
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


def _configured_path(config: str) -> str:
    """Return `migrations.path` of a prisma.config.* file, which is code and is not run here."""
    block = _first(r"(?s)\bmigrations\s*:\s*\{(.*?)\}", config)
    if not block:
        return ""
    path = _first(r"""\bpath\s*:\s*["'`]([^"'`$]+)["'`]""", block)
    if not path and re.search(r"\bpath\b", block):
        raise Unknown(
            "prisma.config: migrations.path is put together by code, so where the migrations lie "
            "is not known",
            "write it as a plain string",
        )
    return path


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


def _lock_provider(directory: str, tree: Tree, contents: Mapping[str, bytes]) -> str:
    blob = tree.files.get(f"{directory}/migration_lock.toml", "")
    text = contents.get(blob, b"").decode(errors="replace")
    return _first(r'(?m)^provider = "([^"]*)"', text)


def _url_variables(datasource: str, config: str) -> tuple[str, ...]:
    names = re.findall(r'(?m)^\s*(?:url|directUrl)\s*=\s*env\("([^"]+)"\)', datasource)
    block = _first(r"(?s)\bdatasource\s*:\s*\{(.*?)\}", config)
    names += re.findall(r"""\benv\(["']([^"']+)["']\)|process\.env\.(\w+)""", block)
    flat: Iterable[str] = (
        part for name in names for part in ((name,) if isinstance(name, str) else name) if part
    )
    return tuple(dict.fromkeys(flat))


def _package(text: str) -> dict[str, dict[str, str]]:
    try:
        package = json.loads(text)
    except ValueError:
        return {}
    return package if isinstance(package, dict) else {}


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""
