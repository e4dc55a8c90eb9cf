"""Hosts for the facts to be read from: real git repositories, one per case, and what runs there.

Each case builds its host in a directory, says what the inventory has, and leaves the rest to the
script of ops/facts. `tests/facts_record.py` records what that printed as fixture files;
`tests/integration/test_facts_live.py` runs the cases anew, under several shells.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ops.errors import OpsError
from ops.facts.gather import Facts, gather
from ops.inventory import Environment
from ops.sandbox import process
from ops.sandbox.postgres import Binaries, Cluster, binaries
from ops.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Build = Callable[["Yard"], None]

    from ops.host.base import Host

APP: Final = "Backend"
PASSWORD: Final = "only-for-tests"
MARK: Final = "0000feed"
INIT: Final = "20240101000000_init"
WITH_SPACE: Final = "20240126184148_new_models copy"
NOT_ASCII: Final = "20240301000000_größe"
SINCE: Final = datetime(2024, 5, 1, tzinfo=UTC)
"""When node_modules was filled."""

_DATASOURCE: Final = (
    'datasource db {\n  provider = "postgresql"\n  url      = env("DATABASE_URL")\n}\n'
)
_LEDGER: Final = """
CREATE TABLE "{schema}"._prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
  migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
"""
_TOOLS: Final = (
    *("awk", "basename", "cat", "cut", "date", "df", "dirname", "env", "find", "flock", "git"),
    *("grep", "head", "id", "ln", "ls", "mkdir", "perl", "printenv", "rm", "sed", "setsid", "sh"),
    *("sha256sum", "sort", "stat", "tail", "timeout", "tr", "uname", "wc", "bash"),
)


def row(
    name: str,
    script: bytes,
    *,
    finished: bool = True,
    logs: str | None = None,
    at: str = "2024-06-01 10:00:00+00",
) -> str:
    """Return the INSERT of one row of the ledger."""
    digest = sha256(script).hexdigest()
    quoted = "NULL" if logs is None else "'" + logs.replace("'", "''") + "'"
    end = f"'{at}'" if finished else "NULL"
    return (
        f"INSERT INTO _prisma_migrations VALUES ('{digest[:8]}-{name[:14]}', '{digest}', {end}, "
        f"'{name}', {quoted}, NULL, '{at}', {int(finished)});"
    )


class Server:
    """A PostgreSQL cluster with a password, and a `psql` that is superuser there."""

    def __init__(self, folder: Path) -> None:
        source: Binaries = binaries("16")
        self.bin = source.folder
        self._cluster = Cluster.place(folder, source)
        self._cluster.create()
        self._cluster.set_passwords({"postgres": PASSWORD, "app": PASSWORD, "poor": PASSWORD})
        self._process, self.port = self._cluster.start()

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run SQL as the superuser."""
        done = subprocess.run(
            [self.bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"],
            input=text,
            env=self.variables(database),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def variables(self, database: str, user: str = "postgres") -> dict[str, str]:
        """Return libpq's variables."""
        return {
            "PATH": os.environ["PATH"],
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": user,
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": database,
        }

    def fresh(self, name: str, schema: str = "public") -> None:
        """Make an empty database with a ledger, the app's role its owner."""
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.sql(f'CREATE DATABASE "{name}" OWNER app')
        self.sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; {_LEDGER.format(schema=schema)}', name)
        self.sql(f'GRANT ALL ON SCHEMA "{schema}" TO app', name)
        self.sql(f'ALTER TABLE "{schema}"._prisma_migrations OWNER TO app', name)

    def restart(self) -> None:
        """Have settings read that are read at the start only."""
        self._cluster.stop(self._process)
        self._process, self.port = self._cluster.start()

    def stop(self) -> None:
        """Stop the server, and remove its files."""
        self._cluster.stop(self._process, immediately=True)
        if self._process.alive:
            process.end(self._process)
        shutil.rmtree(self._cluster.home)


@dataclass
class Yard:
    """A host under construction.

    Args:
        root: Holds everything.
        server: The database server.
        app: Where package.json lies, inside the repository.
        environment: What the inventory says beyond the usual.
        variables: The login's environment beyond the usual.
        clock: Git's, in seconds since the epoch.
        database: Its name.
        user: The role in the URL.
        query: What follows in the URL.
        statements: What the database holds, as its owner's SQL.
        fetch: Whether origin is asked.
        open_session: SQL of a session that stays open meanwhile.
        session_user: Whose session that is; the role in the URL where nothing is said.
    """

    root: Path
    server: Server
    app: str = APP
    environment: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    clock: int = 1717200000
    database: str = "school"
    user: str = "app"
    query: str = ""
    statements: list[str] = field(default_factory=list)
    fetch: bool = True
    open_session: str = ""
    session_user: str = ""

    @property
    def repo(self) -> Path:
        """The checkout."""
        return self.root / "repo"

    @property
    def home(self) -> Path:
        """The home directory of the login."""
        return self.root / "home"

    def git(self, *words: str, at: Path | None = None) -> str:
        """Run git, a minute after the last time."""
        self.clock += 60
        moment = f"{self.clock} +0000"
        done = subprocess.run(
            ["git", "-C", str(at or self.repo), *words],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_AUTHOR_NAME": "Asha Räo",
                "GIT_AUTHOR_EMAIL": "asha@example.com",
                "GIT_COMMITTER_NAME": "Asha Räo",
                "GIT_COMMITTER_EMAIL": "asha@example.com",
                "GIT_AUTHOR_DATE": moment,
                "GIT_COMMITTER_DATE": moment,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the checkout."""
        file = self.repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def commit(self, subject: str = "Change it", *, push: bool = True) -> None:
        """Commit everything, and by default push it."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        if push:
            self.git("push", "--quiet", "origin", "HEAD:main")

    def migration(self, name: str, sql: str | bytes = "SELECT 1;\n", at: str = "") -> None:
        """Write a migration."""
        directory = at or f"{self.app}/prisma/migrations"
        self.write(f"{directory}/{name}/migration.sql", sql)

    def installed(self, version: str = "6.19.3", at: str = "") -> None:
        """Put Prisma into node_modules."""
        folder = self.repo / (at or self.app) / "node_modules" / "prisma"
        folder.mkdir(parents=True)
        package = {"name": "prisma", "version": version}
        (folder / "package.json").write_text(json.dumps(package, indent=2))
        os.utime(folder, (SINCE.timestamp(), SINCE.timestamp()))

    def behind(self, change: Callable[[], None], subject: str = "Come in") -> None:
        """Make a commit that only origin has."""
        before = self.git("rev-parse", "HEAD").strip()
        change()
        self.commit(subject)
        self.git("reset", "--quiet", "--hard", before)

    def environment_of(self) -> Environment:
        """Return the inventory's environment."""
        usual = {
            "hosts": [{"host": "app.example.com"}],
            "repo": str(self.repo),
            "app": self.app,
            "database_url": {"env_file": str(self.root / ".env")},
            "backups": str(self.root / "backups"),
            "path": [str(self.server.bin)],
        }
        return msgspec.convert({**usual, **self.environment}, Environment)

    def url(self, password: str = PASSWORD) -> str:
        """Return the database's URL."""
        place = f"{self.user}:{password}@127.0.0.1:{self.server.port}"
        return f"postgresql://{place}/{self.database}{self.query}"


def lock_v3(**versions: str) -> str:
    """Return a package-lock.json that names packages by their path in node_modules."""
    packages: dict[str, Any] = {"": {"devDependencies": {"prisma": "^6"}}}
    packages |= {path: {"version": version, "dev": True} for path, version in versions.items()}
    return json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2) + "\n"


def usual(yard: Yard, version: str = "6.19.3") -> None:
    """Build a healthy host."""
    yard.home.mkdir(parents=True)
    origin = yard.root / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(yard.repo)], check=True)
    yard.git("remote", "add", "origin", str(origin))
    yard.write(".gitignore", "node_modules\n")
    yard.write(f"{yard.app}/prisma/schema.prisma", _DATASOURCE)
    package = {"scripts": {"db": "prisma migrate deploy"}, "devDependencies": {"prisma": "^6"}}
    yard.write(f"{yard.app}/package.json", json.dumps(package, indent=2))
    yard.write(f"{yard.app}/package-lock.json", lock_v3(**{"node_modules/prisma": version}))
    yard.migration(INIT, "CREATE TABLE a (id int);\n")
    yard.migration(WITH_SPACE)
    yard.migration(NOT_ASCII, "ALTER TABLE a ADD größe int;\r\n")
    yard.write(f"{yard.app}/prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
    yard.commit("Begin")
    yard.git("fetch", "--quiet", "origin")
    yard.installed(version)
    (yard.root / ".env").write_text(f"DATABASE_URL='{yard.url()}'\n")


def applied(yard: Yard) -> None:
    """Have every migration in the ledger."""
    folder = yard.repo / yard.app / "prisma" / "migrations"
    for script in sorted(folder.glob("*/migration.sql")):
        yard.statements.append(row(script.parent.name, script.read_bytes()))


@dataclass(frozen=True)
class Case:
    """A host that is recorded.

    Args:
        build: Makes it.
        own_database: Whether it needs a database of its own; else the shared, healthy one.
    """

    name: str
    build: Build
    own_database: bool = False


CASES: dict[str, Case] = {}


def case(*, own_database: bool = False) -> Callable[[Build], Build]:
    """Register a case under its function's name."""

    def register(build: Build) -> Build:
        name = build.__name__.replace("_", "-")
        CASES[name] = Case(name, build, own_database)
        return build

    return register


@case()
def healthy(yard: Yard) -> None:
    usual(yard)
    card = {"file": "pre-migration-20240601T000000Z.sql", "size": 5, "sha256": "0" * 64}
    (yard.root / "backups").mkdir()
    for day in (1, 2):
        text = json.dumps({**card, "finished_at": f"2024-06-0{day}T00:00:00Z", "level": "decoded"})
        (yard.root / "backups" / f"pre-migration-2024060{day}T000000Z.sql.json").write_text(text)


@case()
def behind_with_new_migrations(yard: Yard) -> None:
    usual(yard)

    def change() -> None:
        yard.migration("20240401000000_new")
        yard.migration(INIT, "-- edited\n")

    yard.behind(change, 'Add "new" and edit äold')


@case()
def detached_head(yard: Yard) -> None:
    usual(yard)
    yard.git("checkout", "--quiet", "--detach")
    yard.write("note", "x")
    yard.commit("Local only", push=False)


@case()
def other_branch_and_unpushed_main(yard: Yard) -> None:
    usual(yard)
    yard.write("note", "x")
    yard.commit("On main, here only", push=False)
    yard.git("checkout", "--quiet", "-b", "hotfix")


@case()
def dirty_tree(yard: Yard) -> None:
    usual(yard)
    yard.write("old name", "1\n2\n3\n")
    yard.write("gone", "x")
    yard.commit("More files")
    yard.git("mv", "old name", 'new "name"')
    (yard.repo / "gone").unlink()
    yard.write(f"{yard.app}/package.json", "{}")
    yard.write("untracked", "x")


@case()
def lock_file_changed(yard: Yard) -> None:
    usual(yard)
    yard.write(f"{yard.app}/package-lock.json", lock_v3(**{"node_modules/prisma": "6.19.4"}))


def _lock(yard: Yard, name: str, text: str | bytes) -> None:
    usual(yard)
    (yard.repo / yard.app / "package-lock.json").unlink()
    yard.write(name, text)
    yard.commit("Lock")


@case()
def lock_npm_6(yard: Yard) -> None:
    lock = {"lockfileVersion": 1, "dependencies": {"prisma": {"version": "4.16.2", "dev": True}}}
    _lock(yard, f"{APP}/package-lock.json", json.dumps(lock, indent="\t"))


@case()
def lock_npm_workspace(yard: Yard) -> None:
    paths = {
        "Admin/node_modules/prisma": "7.5.0",
        f"{APP}/node_modules/prisma": "6.19.3",
        "node_modules/prisma": "7.10.1",
        "node_modules/x/node_modules/prisma": "5.0.0",
    }
    _lock(yard, "package-lock.json", lock_v3(**paths))


@case()
def lock_npm_without_prisma(yard: Yard) -> None:
    _lock(yard, f"{APP}/npm-shrinkwrap.json", lock_v3(**{"node_modules/left-pad": "1.0.0"}))


@case()
def lock_pnpm_9(yard: Yard) -> None:
    text = (
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    devDependencies:\n      prisma:\n"
        "        specifier: ^6\n        version: 6.19.3(typescript@5.9.2)\n"
        "packages:\n  '@prisma/client@6.18.0':\n    resolution: {}\n  prisma@6.19.3:\n"
        "    hasBin: true\nsnapshots:\n  prisma@6.19.3(typescript@5.9.2):\n    dependencies: {}\n"
    )
    _lock(yard, f"{APP}/pnpm-lock.yaml", text)


@case()
def lock_pnpm_6(yard: Yard) -> None:
    _lock(
        yard,
        "pnpm-lock.yaml",
        "lockfileVersion: '6.0'\npackages:\n  /prisma@5.22.0:\n    dev: true\n",
    )


@case()
def lock_pnpm_two_versions(yard: Yard) -> None:
    text = (
        "lockfileVersion: '9.0'\npackages:\n  prisma@6.19.3:\n    a: b\n  prisma@7.5.0:\n    a: b\n"
    )
    _lock(yard, "pnpm-lock.yaml", text)


@case()
def lock_yarn_1(yard: Yard) -> None:
    text = (
        '# yarn lockfile v1\n\n"@prisma/engines@6.19.3":\n  version "6.19.3"\n\nprisma@^6.19.0:\n'
    )
    _lock(yard, f"{APP}/yarn.lock", text + '  version "6.19.3"\n  resolved "x"\n')


@case()
def lock_yarn_4(yard: Yard) -> None:
    text = (
        '__metadata:\n  version: 8\n\n"prisma@npm:^7.0.0, prisma@npm:^7.3.0":\n  version: 7.3.0\n'
    )
    _lock(yard, "yarn.lock", text)


@case()
def lock_bun(yard: Yard) -> None:
    text = '    "prisma": ["prisma@7.4.0", "", { "bin": {} }, "sha512-x"],\n'
    _lock(yard, "bun.lock", f'{{\n  "packages": {{\n{text}  }}\n}}\n')


@case()
def lock_bun_binary(yard: Yard) -> None:
    _lock(yard, f"{APP}/bun.lockb", b"#!/usr/bin/env bun\nbun-lockfile-format-v0\n\0\1\2prisma@6")


def _programs(yard: Yard, *, without: str = "", psql: bool = True) -> None:
    """Have a PATH of known programs only."""
    folder = yard.root / "bin"
    folder.mkdir()
    for name in _TOOLS:
        if name != without and (found := shutil.which(name)):
            (folder / name).symlink_to(found)
    yard.environment["path"] = [str(yard.server.bin)] if psql else []
    yard.variables["PATH"] = str(folder)


@case()
def no_node_and_no_setsid(yard: Yard) -> None:
    usual(yard)
    _programs(yard, without="setsid")


@case()
def no_psql(yard: Yard) -> None:
    usual(yard)
    _programs(yard, psql=False)


@case()
def no_git(yard: Yard) -> None:
    usual(yard)
    _programs(yard, without="git")


def _git_that(yard: Yard, refuses: str, says: str) -> None:
    usual(yard)
    _programs(yard, without="git")
    wrapper = yard.root / "bin" / "git"
    real = shutil.which("git")
    wrapper.write_text(
        f'#!/bin/sh\ncase " $* " in *{refuses}*) echo "{says}" >&2; exit 129 ;; esac\n'
        f'exec {real} "$@"\n'
    )
    wrapper.chmod(0o755)


@case()
def git_without_c(yard: Yard) -> None:
    _git_that(yard, '" -C "', "Unknown option: -C")


@case()
def git_without_unix_dates(yard: Yard) -> None:
    _git_that(yard, '"--date=unix"', "fatal: unknown date format unix")


@case()
def git_that_cannot_read_trees(yard: Yard) -> None:
    _git_that(yard, '" ls-tree "', "fatal: unable to read tree 0000")


@case()
def no_reflog(yard: Yard) -> None:
    usual(yard)
    shutil.rmtree(yard.repo / ".git" / "logs")


@case()
def unborn_head(yard: Yard) -> None:
    usual(yard)
    yard.git("checkout", "--quiet", "--orphan", "nothing")


@case()
def dubious_ownership(yard: Yard) -> None:
    usual(yard)
    for path in (yard.repo, yard.repo / ".git"):
        os.chown(path, 65534, 65534)


@case()
def no_such_branch_at_origin(yard: Yard) -> None:
    usual(yard)
    yard.environment["branch"] = "production"
    yard.fetch = False


@case()
def fetch_fails(yard: Yard) -> None:
    usual(yard)
    shutil.rmtree(yard.root / "origin.git")


@case()
def not_a_repository(yard: Yard) -> None:
    usual(yard)
    shutil.rmtree(yard.repo / ".git")


@case()
def no_app(yard: Yard) -> None:
    usual(yard)
    yard.environment["app"] = "Frontend"


@case()
def no_schema(yard: Yard) -> None:
    usual(yard)
    yard.environment["schema"] = "src/schema.prisma"


@case()
def at_the_top(yard: Yard) -> None:
    """The app is the repository, and its paths are written in a roundabout way."""
    yard.app = "."
    usual(yard)
    yard.environment |= {"app": "./", "schema": "./prisma//schema.prisma"}


@case()
def odd_names(yard: Yard) -> None:
    usual(yard)
    yard.migration('20240501000000_"quoted" \\ back\tslash')
    yard.migration("20240502000000_'; touch x; '")
    yard.migration("PHASE1.sql")
    yard.commit("Odd")


@case()
def untracked_and_broken_migrations(yard: Yard) -> None:
    usual(yard)
    yard.write(f"{APP}/prisma/migrations/20240601000000_no_sql/README.md", "x")
    yard.commit("Without migration.sql")
    yard.migration("20240602000000_by_hand")
    (yard.repo / APP / "prisma/migrations/20240603000000_empty dir").mkdir()


def _schema_folder(yard: Yard, version: str) -> None:
    usual(yard, version)
    shutil.rmtree(yard.repo / APP / "prisma")
    yard.write(f"{APP}/db/schema/models/a.prisma", "model A {\n  id Int @id\n}\n")
    yard.write(f"{APP}/db/schema/base/main.prisma", _DATASOURCE)
    for place in ("db", "db/schema", "db/schema/base"):
        yard.migration("20240101000000_" + place.replace("/", "_"), at=f"{APP}/{place}/migrations")
    yard.commit("Folder")
    yard.environment["schema"] = "db/schema"


@case()
def schema_folder_5(yard: Yard) -> None:
    _schema_folder(yard, "5.22.0")


@case()
def schema_folder_6_5(yard: Yard) -> None:
    _schema_folder(yard, "6.5.0")


@case()
def schema_folder_6_6(yard: Yard) -> None:
    _schema_folder(yard, "6.6.0")


@case()
def schema_folder_7(yard: Yard) -> None:
    _schema_folder(yard, "7.10.1")


@case()
def schema_file_4(yard: Yard) -> None:
    usual(yard, "4.16.2")


@case()
def schema_file_7(yard: Yard) -> None:
    usual(yard, "7.3.0")


def _config(yard: Yard, text: str, name: str = "prisma.config.ts", version: str = "6.19.3") -> None:
    usual(yard, version)
    yard.migration("20240701000000_elsewhere", at=f"{APP}/db/my migrations")
    yard.write(f"{APP}/{name}", text)
    yard.commit("Configure")


@case()
def config_with_path(yard: Yard) -> None:
    _config(
        yard,
        "import 'dotenv/config'\nexport default defineConfig({\n  // migrations: { path: 'old' },\n"
        "  migrations: { seed: `tsx ${'{'}seed}`, path: './db/my migrations' },\n"
        "  datasource: {\n    url: env('DATABASE_URL'), // see https://x\n"
        "    shadowDatabaseUrl: env('SHADOW'),\n  },\n})\n",
    )


@case()
def config_with_path_before_6_6(yard: Yard) -> None:
    _config(yard, "export default { migrations: { path: 'db/my migrations' } }\n", version="6.5.0")


@case()
def config_that_computes_the_path(yard: Yard) -> None:
    _config(yard, "export default { migrations: { path: path.join('db', 'migrations') } }\n")


@case()
def config_with_adapter(yard: Yard) -> None:
    _config(yard, "export default { engine: 'js', adapter: async () => new PrismaPg({}) }\n")


@case()
def config_prisma7(yard: Yard) -> None:
    text = "export default { migrations: { path: 'db/my migrations' } }\n"
    _config(yard, text, "prisma7.config.mts", "7.10.1")
    yard.write(f"{APP}/prisma.config.ts", "export default { migrations: { path: 'old' } }\n")
    yard.commit("And one for older versions")


@case()
def config_on_disk_only(yard: Yard) -> None:
    usual(yard)
    yard.write(f"{APP}/.config/prisma.ts", "export default { adapter }\n")
    yard.write(".git/info/exclude", ".config\n")


@case()
def workspace_hoists_node_modules(yard: Yard) -> None:
    usual(yard)
    shutil.rmtree(yard.repo / APP / "node_modules")
    yard.installed("6.19.2", at=".")


@case()
def prisma_is_not_installed(yard: Yard) -> None:
    usual(yard)
    shutil.rmtree(yard.repo / APP / "node_modules")


@case()
def url_is_not_there(yard: Yard) -> None:
    usual(yard)
    yard.environment["database_url"] = {"env": "NOT_SET_ANYWHERE"}


@case()
def url_in_no_file(yard: Yard) -> None:
    usual(yard)
    yard.environment["database_url"] = {"env_file": str(yard.root / "none"), "name": "DB_URL"}


@case()
def url_is_another_variable(yard: Yard) -> None:
    usual(yard)
    yard.environment["database_url"] = {"env_file": str(yard.root / ".env"), "name": "DB_URL"}


@case()
def url_by_command(yard: Yard) -> None:
    usual(yard)
    yard.environment["database_url"] = {"command": f"cut -d\\' -f2 {yard.root}/.env"}


@case()
def url_by_command_that_fails(yard: Yard) -> None:
    usual(yard)
    yard.environment["database_url"] = {"command": f"echo {yard.url()}; echo {PASSWORD} >&2; false"}


@case()
def url_of_a_noisy_login_shell(yard: Yard) -> None:
    usual(yard)
    (yard.home / ".profile").write_text(f"echo Welcome\nexport DATABASE_URL='{yard.url()}'\n")
    yard.environment["database_url"] = {"env": "DATABASE_URL"}
    yard.variables["SHELL"] = "/bin/sh"


@case()
def url_pooled_and_direct(yard: Yard) -> None:
    usual(yard)
    pooled = "postgresql://app:x@pool.example.com:6432/school?pgbouncer=true"
    (yard.root / ".env").write_text(f'DATABASE_URL="{pooled}"\nDIRECT_URL={yard.url()}\n')
    yard.environment["direct_url"] = {"env_file": str(yard.root / ".env"), "name": "DIRECT_URL"}


@case()
def wrong_password(yard: Yard) -> None:
    usual(yard)
    (yard.root / ".env").write_text(f"DATABASE_URL={yard.url('wrong-password')}\n")


@case()
def refused_port(yard: Yard) -> None:
    usual(yard)
    (yard.root / ".env").write_text("DATABASE_URL=postgresql://app:secret@127.0.0.1:1/school\n")


@case()
def no_such_database(yard: Yard) -> None:
    yard.database = "nowhere"
    usual(yard)


@case(own_database=True)
def failed_row(yard: Yard) -> None:
    yard.database = "failed"
    usual(yard)
    applied(yard)
    logs = f'Migration name: {NOT_ASCII}\n\nDatabase error code: 42710\n\nERROR: "x"\n\tö\x1b[31m\n'
    script = b"ALTER TABLE a ADD gr\xc3\xb6\xc3\x9fe int;\r\n"
    yard.statements[-1] = row(NOT_ASCII, script, finished=False, logs=logs)
    yard.statements.append("CREATE TABLE a (id int)")


@case(own_database=True)
def no_ledger(yard: Yard) -> None:
    yard.database = "no ledger"
    yard.query = "?schema=public"
    usual(yard)
    (yard.root / ".env").write_text(f"DATABASE_URL={yard.url().replace(' ', '%20')}\n")
    yard.statements += ["DROP TABLE _prisma_migrations", "CREATE TABLE a (id int)"]


@case(own_database=True)
def ledger_in_another_schema(yard: Yard) -> None:
    yard.database = "other"
    yard.query = "?schema=my%20schema"
    usual(yard)
    applied(yard)
    yard.statements.insert(0, 'SET search_path = "my schema"')


@case(own_database=True)
def no_such_schema(yard: Yard) -> None:
    yard.database = "schemaless"
    yard.query = "?schema=nowhere"
    usual(yard)


@case(own_database=True)
def null_cells(yard: Yard) -> None:
    yard.database = "nulls"
    usual(yard)
    yard.statements += [
        "ALTER TABLE _prisma_migrations ALTER started_at DROP NOT NULL",
        "ALTER TABLE _prisma_migrations ALTER applied_steps_count DROP NOT NULL",
        "INSERT INTO _prisma_migrations VALUES ('a', 'b', NULL, 'c', NULL, NULL, NULL, NULL)",
    ]


@case(own_database=True)
def row_without_id(yard: Yard) -> None:
    yard.database = "idless"
    usual(yard)
    yard.statements += [
        "ALTER TABLE _prisma_migrations DROP CONSTRAINT _prisma_migrations_pkey",
        "ALTER TABLE _prisma_migrations ALTER id DROP NOT NULL",
        "INSERT INTO _prisma_migrations VALUES (NULL, 'b', NULL, 'c', NULL, NULL, now(), 0)",
    ]


@case(own_database=True)
def role_without_rights(yard: Yard) -> None:
    yard.database, yard.user = "closed", "poor"
    usual(yard)


@case(own_database=True)
def functions_beyond_a_rollback(yard: Yard) -> None:
    yard.database = "outside"
    usual(yard)
    yard.statements += [
        "ALTER DATABASE outside SET standard_conforming_strings = off",
        """CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM dblink_exec(''x'', ''y''); RETURN NEW; END'""",
        "CREATE FUNCTION harmless() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ]


@case(own_database=True)
def sessions(yard: Yard) -> None:
    yard.database = "busy"
    usual(yard)
    yard.open_session = "SELECT pg_advisory_lock(72707369)"


@case(own_database=True)
def sessions_of_another_role(yard: Yard) -> None:
    """What the superuser does, and since when, is hidden from the app's role."""
    yard.database = "watched"
    usual(yard)
    yard.open_session = "SELECT pg_advisory_lock(72707369)"
    yard.session_user = "postgres"


# --- building, running, comparing ---


@contextmanager
def built(case_: Case, root: Path, server: Server) -> Iterator[Yard]:
    """Build a case's host, with its database."""
    yard = Yard(root, server)
    case_.build(yard)
    if case_.own_database:
        schema = "my schema" if "my%20schema" in yard.query else "public"
        server.fresh(yard.database, schema)
        server.sql(";\n".join([*yard.statements, ""]), yard.database)
    session = _session(yard) if yard.open_session else None
    try:
        yield yard
    finally:
        if session is not None:
            session.communicate("\\q\n")


def _session(yard: Yard) -> subprocess.Popen[str]:
    """Open a session that has taken Prisma's lock and waits, idle."""
    session = subprocess.Popen(
        [yard.server.bin / "psql", "-XAtq"],
        env=yard.server.variables(yard.database, yard.session_user or yard.user),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(f"{yard.open_session};\n\\echo ready\n")
    session.stdin.flush()
    while session.stdout.readline() != "ready\n":
        pass
    return session


def shared_database(server: Server, root: Path) -> None:
    """Make the database that most cases look at, where everything is applied."""
    yard = Yard(root / "shared", server)
    usual(yard)
    applied(yard)
    server.fresh("school")
    server.sql("\n".join(yard.statements), "school")


def host_variables(yard: Yard) -> dict[str, str]:
    """Return the environment of a login on the case's host."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(yard.home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "SHELL": "/bin/sh",
        **yard.variables,
    }


def told(host: Host, environment: Environment, *, fetch: bool) -> dict[str, Any]:
    """Gather the facts, and return them, or the error, as a document."""
    gate = Redactor()
    try:
        facts = gather(host, environment, gate, fetch=fetch)
    except OpsError as error:
        kind = type(error).__name__
        return {"error": kind, "message": gate.text(error.message), "hint": error.hint}
    return document(facts)


def document(facts: Facts) -> dict[str, Any]:
    """Return facts as JSON has them, without what differs from machine to machine."""
    found: dict[str, Any] = _plain(facts)
    del found["at"], found["environment"], found["url"]["variables"]
    machine = found["machine"]
    for key in ("system", "user", "home", "clock_offset", "free_backups", "free_repo"):
        assert machine.pop(key) is not None
    for tool in ("node", "pg_dump", "psql"):
        machine[tool] = machine[tool]["problem"] or "there"
    machine["support"] = sorted({*machine["support"]} & {"flock", "setsid", "sha256sum"})
    identity = found["database"]["identity"]
    assert identity.pop("oid") > 0
    assert identity.pop("size") > 0
    for key in ("version", "version_number", "port", "product"):
        del identity[key]
    found["database"]["system_identifier"] = bool(found["database"]["system_identifier"])
    for session in found["database"]["sessions"]:
        assert session.pop("pid") > 0
        assert session.pop("seconds") >= 0
    found["url"]["port"] = "PORT"
    found["git"]["contents"] = {
        blob: f"{len(content)} bytes" for blob, content in facts.git.contents.items()
    }
    return found


def _plain(value: Any) -> Any:
    """Return a value of JSON's types."""
    names = getattr(value, "__struct_fields__", None)
    if is_dataclass(value):
        names = tuple(value.__dataclass_fields__)
    if names is not None:
        return {key: _plain(getattr(value, key)) for key in names}
    match value:
        case bytes():
            return value.decode(errors="replace")
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case frozenset():
            return sorted(_plain(item) for item in value)
        case list() | tuple():
            return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def neutral(text: str, yard_root: str, port: int) -> str:
    """Take a machine's own paths and ports out of a text."""
    text = text.replace(yard_root, "/srv/case")
    return re.sub(rf"\b{port}\b", "5432", text)


def neutral_document(found: dict[str, Any], yard: Yard) -> dict[str, Any]:
    """Return a document without the machine's own paths and ports."""
    text = json.dumps(found, ensure_ascii=False, default=str)
    cleaned: dict[str, Any] = json.loads(neutral(text, str(yard.root), yard.server.port))
    return cleaned
