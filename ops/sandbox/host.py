"""The host's own files: programs, .env, installed packages; and the deploys that run on it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ops.sandbox import process
from ops.sandbox.cache import link_tree
from ops.sandbox.packages import npm_environment
from ops.sandbox.repository import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ops.sandbox.database import Database
    from ops.sandbox.layout import Layout
    from ops.sandbox.modes import Mode
    from ops.sandbox.node import Node
    from ops.sandbox.process import Process

SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_CLIENTS: Final = ("psql", "pg_dump", "pg_restore")
_DEPLOY_WITHIN: Final = 120.0


@dataclass(frozen=True)
class Deploy:
    """How a `prisma migrate deploy` ended."""

    exit_code: int
    output: str


@dataclass(frozen=True)
class Host:
    """A host with the app checked out.

    Attributes:
        layout: Where its files are.
        mode: Its Prisma.
        node: Its Node.js.
        database: Its database.
        packages: The npm installation that `node_modules` is linked from.
        engine: What PRISMA_SCHEMA_ENGINE_BINARY is to start; None where Prisma has its native one.
    """

    layout: Layout
    mode: Mode
    node: Node
    database: Database = field(repr=False)
    packages: Path
    engine: Path | None

    def environment(self) -> Mapping[str, str]:
        """What every session on this host has besides HOME and PATH. Nothing in it is secret."""
        given = {"CHECKPOINT_DISABLE": "1", **npm_environment()}
        if self.engine is not None:
            given["PRISMA_SCHEMA_ENGINE_BINARY"] = str(self.layout.engine)
            # Never loaded by `migrate`, but where it is not named the CLI would download one.
            given["PRISMA_QUERY_ENGINE_LIBRARY"] = str(self.layout.engine)
        return given

    def write_programs(self) -> None:
        """Write ~/bin: programs that the PATH of a non-interactive session does not have."""
        self.layout.bin.mkdir(parents=True, exist_ok=True)
        programs: dict[str, tuple[str | Path, ...]] = {
            **{name: (self.database.source[name],) for name in _CLIENTS},
            "node": (self.node.node,),
            "npm": self.node.npm,
            "npx": self.node.npx,
        }
        git = shutil.which("git")
        if git and shutil.which("git", path=SYSTEM_PATH) is None:
            programs["git"] = (git,)
        for name, argv in programs.items():
            _write_program(self.layout.bin / name, *argv)
        if self.engine is not None:
            self.layout.engine.parent.mkdir(exist_ok=True)
            _write_program(self.layout.engine, self.node.node, self.engine)

    def write_shared(self) -> None:
        """Write the .env file and make the directory for backups."""
        self.layout.backups.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.layout.shared.chmod(0o700)
        self.layout.env_file.touch(mode=0o600)
        self.layout.env_file.write_text(f'DATABASE_URL="{self.database.url()}"\nPORT=3000\n')

    def install(self) -> None:
        """Give the checkout the packages of its lock file, as `npm ci` would."""
        link_tree(self.packages / "node_modules", self.layout.app / "node_modules")

    def deploy(self) -> Deploy:
        """Run `prisma migrate deploy` in the host's checkout, as the app's own deploy does."""
        argv, env = self._deploy_command()
        done = subprocess.run(
            argv,
            cwd=self.layout.app,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEPLOY_WITHIN,
            check=False,
        )
        self.layout.logs.mkdir(exist_ok=True, mode=0o700)
        with (self.layout.logs / "deploy.log").open("a") as log:
            log.write(done.stdout)
        return Deploy(done.returncode, done.stdout)

    def start_deploy(self) -> Process:
        """Start the same in the background; its output goes to logs/deploy.log."""
        argv, env = self._deploy_command()
        self.layout.logs.mkdir(exist_ok=True, mode=0o700)
        log = self.layout.logs / "deploy.log"
        return process.start(argv, log=log, env=env, cwd=self.layout.app)

    def _deploy_command(self) -> tuple[list[str], dict[str, str]]:
        prisma = self.layout.app / "node_modules" / ".bin" / "prisma"
        env = {
            **self.environment(),
            "HOME": str(self.layout.home),
            "PATH": f"{self.layout.bin}:{SYSTEM_PATH}",
            "NO_COLOR": "1",
            "DATABASE_URL": self.database.url(),
        }
        return [str(prisma), "migrate", "deploy", f"--schema={SCHEMA}"], env


def _write_program(file: Path, *argv: str | Path) -> None:
    """Write a program that becomes another one.

    Not a symbolic link: programs look for their libraries and data from where they are called.
    """
    words = " ".join(shlex.quote(os.fspath(word)) for word in argv)
    file.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    file.chmod(0o755)
