"""The app's git repositories: what the developer pushes, and what the host has checked out."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.sandbox import process
from ops.sandbox.packages import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.sandbox.layout import Layout
    from ops.sandbox.modes import Mode

APP: Final = Path(__file__).parent / "app"
SCHEMA: Final = Path("src/prisma/db/schema.prisma")
HEART: Final = "20260221053404_add_missing_models"
"""The app's largest migration; most incidents are about it."""

_URL_LINE: Final = '  url      = env("DATABASE_URL")\n'
_AUTHOR: Final = {"NAME": "Asha Rao", "EMAIL": "asha@school.example"}


@dataclass(frozen=True)
class Migration:
    """A migration that comes with an incident.

    Attributes:
        name: Its folder in the app.
        folder: The folder in `ops/sandbox/app` with its versions: `<version>.sql`, and
            `<version>.patch` where the schema changes with it.
    """

    name: str
    folder: str

    def script(self, version: str) -> Path:
        """Where a version's script is."""
        return APP / self.folder / f"{version}.sql"

    def patch(self, version: str) -> Path:
        """Where a version's change of the schema is, if it makes one."""
        return APP / self.folder / f"{version}.patch"


TRANSPORT: Final = Migration("20260305071500_transport", "transport")
"""Seven statements: a type, a table, its index, columns of students, their index, foreign keys."""

SLUGS: Final = Migration("20260311063000_student_slugs", "student_slugs")
"""A column, an UPDATE that fills it, its index, NOT NULL."""

CLASS_NAMES: Final = Migration("20260318101500_classes_name_key", "classes_name_key")
"""A unique index on what is not unique: school and name of a class."""


def git(*words: str, cwd: Path, date: str = "") -> str:
    """Run git with no configuration but the repository's own.

    Args:
        words: The command and its arguments.
        cwd: The repository.
        date: Author's and committer's date of a commit.
    """
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(cwd),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_{key}": value for key, value in _AUTHOR.items()}
        if date:
            env[f"GIT_{who}_DATE"] = date
    return process.run(["git", *words], env=env, cwd=cwd, what=f"git {words[0]}")


def create(layout: Layout) -> None:
    """Make the bare origin and the developer's checkout of it, both empty."""
    for folder in (layout.origin, layout.developer):
        folder.mkdir(parents=True)
    git("init", "--quiet", "--bare", "--initial-branch=main", cwd=layout.origin)
    git("init", "--quiet", "--initial-branch=main", cwd=layout.developer)
    git("remote", "add", "origin", str(layout.origin), cwd=layout.developer)


def clone_to_host(layout: Layout) -> None:
    """Make the host's checkout."""
    layout.repo.parent.mkdir(parents=True, exist_ok=True)
    origin, repo = str(layout.origin), str(layout.repo)
    git("clone", "--quiet", "--branch", "main", origin, repo, cwd=layout.root)


def moved(layout: Layout) -> None:
    """Tell both checkouts where the origin lies now."""
    for checkout in (layout.developer, layout.repo):
        git("remote", "set-url", "origin", str(layout.origin), cwd=checkout)


def publish(layout: Layout, message: str, date: str, change: Callable[[Path], None]) -> None:
    """Change the developer's checkout, commit, and push to the origin's `main`."""
    change(layout.developer / "Backend")
    git("add", "--all", cwd=layout.developer)
    git("commit", "--quiet", "--message", message, cwd=layout.developer, date=date)
    git("push", "--quiet", "origin", "main", cwd=layout.developer)


def pull_on_host(layout: Layout) -> None:
    """Bring the host's checkout to the origin's `main`."""
    git("pull", "--quiet", "--ff-only", cwd=layout.repo)


def write_app(app: Path, mode: Mode, *, migrations: int | None = None) -> None:
    """Write the school application, with its first migrations or with all of them."""
    (app / SCHEMA).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(APP / "gitignore", app.parent / ".gitignore")
    for file in ("package.json", "package-lock.json"):
        shutil.copy2(PACKAGES / mode.packages / file, app / file)
    _write_schema(app, mode, APP / "schema.prisma")
    target = _migrations(app)
    target.mkdir(exist_ok=True)
    shutil.copy2(APP / "migrations" / "migration_lock.toml", target)
    folders = sorted(entry for entry in (APP / "migrations").iterdir() if entry.is_dir())
    for folder in folders[:migrations]:
        shutil.copytree(folder, target / folder.name, dirs_exist_ok=True)
    if mode.major > 6:  # noqa: PLR2004 - from Prisma 7 on the URL stands there and nowhere else
        shutil.copy2(APP / "prisma.config.ts", app)


def write_adapter(app: Path) -> None:
    """Configure migrations to run through the driver adapter (Prisma 6)."""
    shutil.copy2(APP / "prisma.config.adapter.ts", app / "prisma.config.ts")


def write_heart(app: Path, mode: Mode, version: str) -> None:
    """Write the migration `HEART`: its version `first` or `corrected`, and the schema with it."""
    _write_schema(app, mode, APP / "add_missing_models" / "schema.prisma")
    target = _migrations(app) / HEART
    target.mkdir(exist_ok=True)
    shutil.copy2(APP / "add_missing_models" / f"{version}.sql", target / "migration.sql")


def write_migration(app: Path, migration: Migration, version: str) -> None:
    """Write a version of a migration, and change the schema with it."""
    target = _migrations(app) / migration.name
    target.mkdir(exist_ok=True)
    shutil.copy2(migration.script(version), target / "migration.sql")
    if migration.patch(version).exists():
        folder = Path(app.name) / SCHEMA.parent
        git("apply", f"--directory={folder}", str(migration.patch(version)), cwd=app.parent)


def _migrations(app: Path) -> Path:
    return (app / SCHEMA).parent / "migrations"


def _write_schema(app: Path, mode: Mode, models: Path) -> None:
    url = _URL_LINE if mode.major == 6 else ""  # noqa: PLR2004
    head = f'datasource db {{\n  provider = "postgresql"\n{url}}}\n\n'
    (app / SCHEMA).write_text(head + models.read_text())
