"""Everything that is true now, in one script on one channel.

The script prints where the database's URL is, and goes on with git, Prisma and the tools; by the
time it comes to the database, the URL has been read here and has come back as PG* variables.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from posixpath import join, normpath
from typing import TYPE_CHECKING

from ops.facts.app import App, Installed, Version, parse_app, parse_installed, parse_version
from ops.facts.database import Database, parse_database
from ops.facts.frames import Frames, Unknown, is_complete, parse_frames
from ops.facts.git import Git, Tree, parse_git
from ops.facts.tools import BackupCard, Machine, parse_last_backup, parse_machine
from ops.facts.url import DatabaseUrl, WrongUrl, parse_env_line, parse_url
from ops.host.script import HostPath, Script, Value, shell_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.host.base import Host, Process
    from ops.inventory import Environment, UrlSource
    from ops.secrets import Redactor, Secret


@dataclass(frozen=True)
class Facts:
    """What is true now on the host and in the database.

    Args:
        url: The database that migrations run against.
        variables: What Prisma gets in its environment, by name.
        directory: The app's directory, absolute.
        head: The app as checked out.
        main: The app as on origin's branch: what a recovery will run.
    """

    at: datetime
    environment: Environment
    machine: Machine
    git: Git
    installed: Installed | None
    head: App
    main: App
    url: DatabaseUrl
    variables: Mapping[str, Secret]
    directory: str
    database: Database
    last_backup: BackupCard | None

    @property
    def pending(self) -> list[str]:
        """Migrations on origin's branch that the ledger does not have, in order."""
        covered = self.database.covered
        return [script.name for script in self.main.migrations if script.name not in covered]


def facts_script(environment: Environment, mark: str, *, fetch: bool) -> Script:
    """Return the script that gathers all facts."""
    values: dict[str, Value] = {
        "mark": mark,
        "repo": HostPath(environment.repo),
        "app": normpath(environment.app),
        "schema": normpath(join(environment.app, environment.schema)),
        "branch": environment.branch,
        "fetch": fetch,
        "backups": HostPath(environment.backups),
        **_source_values("url", environment.database_url),
        **_source_values("direct", environment.direct_url),
        "database_sql": shell_sql("facts"),
    }
    parts = ("database", "url", "facts")
    body = "".join(shell_text("ops.facts", part) for part in parts)
    return Script(body, values, path=host_path(environment), talks=True)


def host_path(environment: Environment) -> tuple[HostPath, ...]:
    """Return the directories that the inventory puts before PATH."""
    return tuple(HostPath(path) for path in environment.path)


def shell_sql(name: str) -> str:
    """Return the text of an `.sql` file of this package."""
    return resources.files("ops.facts").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def gather(host: Host, environment: Environment, gate: Redactor, *, fetch: bool) -> Facts:
    """Ask the host for everything.

    Args:
        host: Whom to ask.
        environment: What the inventory says of it.
        gate: Learns the secrets as soon as they are known.
        fetch: Whether git first fetches origin's branch. Nothing else is ever changed.

    Raises:
        WrongUrl: The database URL cannot be used.
        Unknown: A probe failed whose answer is needed.
        Unreachable: There is no connection.
    """
    mark = f"@{secrets.token_hex(8)}"
    with host.open(facts_script(environment, mark, fetch=fetch)) as process:
        reading = _Reading(process, environment, mark, gate)
        stdout = reading.to_the_end()
        process.wait()
        frames = parse_frames(stdout, process.errors(), mark)
    if reading.failed:
        reading.read_urls(frames)  # again, now that it is known what the probes wrote to stderr
    return _facts(frames, environment, reading)


def read_url(
    host: Host, environment: Environment, source: UrlSource, gate: Redactor
) -> DatabaseUrl:
    """Ask the host for one more database URL of the inventory.

    Raises:
        WrongUrl: It cannot be used.
        Unknown: The host did not answer.
    """
    mark = f"@{secrets.token_hex(8)}"
    body = shell_text("ops.facts", "url") + 'frame one url "$one_kind" "$one_place" "$one_name"\n'
    values: dict[str, Value] = {"mark": mark, **_source_values("one", source)}
    done = host.run(Script(body, values, path=host_path(environment)))
    frames = parse_frames(done.stdout, done.stderr, mark)
    url = parse_url(_url_text(frames, "one", source, mark), _place(source))
    gate.learn(url.text)
    gate.learn(url.password)
    return url


class _Reading:
    """The dialogue: waits for the URLs, answers with the database's variables, reads on."""

    def __init__(
        self, process: Process, environment: Environment, mark: str, gate: Redactor
    ) -> None:
        self._process = process
        self._environment = environment
        self._mark = mark
        self._gate = gate
        self._last = "direct_url" if environment.direct_url else "url"
        self.failed = False
        self.asked_at = datetime.now(UTC)
        self.urls: dict[str, DatabaseUrl] = {}

    def to_the_end(self) -> bytes:
        stdout = b""
        answered = False
        for block in self._process.blocks():
            stdout += block
            if not answered and is_complete(stdout, self._mark, self._last):
                self.asked_at = datetime.now(UTC)  # the host reads its own clock next
                self._answer(parse_frames(stdout, b"", self._mark))
                answered = True
        return stdout

    def _answer(self, frames: Frames) -> None:
        try:
            self.read_urls(frames)
        except (WrongUrl, Unknown):
            self.failed = True  # without an answer the script ends
        else:
            url = self.urls[self._last]
            lines = [f"OPS_SCHEMA={url.schema}", "PGAPPNAME=prisma-ops"]
            for name, value in url.variables.items():
                lines.append(f"{name}={value if isinstance(value, str) else value.reveal()}")
            self._process.send("\n".join([*lines, "", ""]).encode())
        self._process.finish_input()

    def read_urls(self, frames: Frames) -> None:
        """Read every URL that the inventory names. Raises WrongUrl, Unknown."""
        sources = {
            "url": self._environment.database_url,
            "direct_url": self._environment.direct_url,
        }
        for name, source in sources.items():
            if source is not None:
                text = _url_text(frames, name, source, self._mark)
                url = parse_url(text, _place(source))
                self._gate.learn(url.text)
                self._gate.learn(url.password)
                self.urls[name] = url


def _facts(frames: Frames, environment: Environment, reading: _Reading) -> Facts:
    now = datetime.now(UTC)
    git = parse_git(frames, environment.repo, environment.branch)
    installed = parse_installed(frames)
    version = parse_version(installed.version) if installed else None
    url = reading.urls.get("direct_url") or reading.urls["url"]

    def app_at(label: str, tree: Tree) -> App:
        locked = locked_version(tree) or version
        return parse_app(frames, label, git, tree, environment.app, environment.schema, locked)

    database = parse_database(frames, url.label)
    if database.identity.database != url.database and not url.pooler:
        raise WrongUrl(
            f"{url.label}: psql on the host came to the database {database.identity.database}",
            "something there leads it elsewhere: look for PG* variables and ~/.pg_service.conf",
        )
    return Facts(
        at=now,
        environment=environment,
        machine=parse_machine(frames, reading.asked_at),
        git=git,
        installed=installed,
        head=app_at("head", git.head),
        main=app_at("main", git.main),
        url=url,
        variables=_prisma_variables(environment, reading.urls),
        directory=frames.need("place", "`app`", "check `app` in the inventory").text,
        database=database,
        last_backup=parse_last_backup(frames),
    )


def locked_version(tree: Tree) -> Version | None:
    """Return the version of Prisma that a commit's lock files name; None when they name none."""
    return next((parse_version(lock.prisma) for lock in tree.locks if lock.prisma), None)


def _prisma_variables(
    environment: Environment, urls: Mapping[str, DatabaseUrl]
) -> dict[str, Secret]:
    """What Prisma gets: with a direct URL, migrations go there under both names."""
    variables = {environment.database_url.variable: urls["url"].text}
    if environment.direct_url:
        direct = urls["direct_url"].text
        variables = {
            environment.database_url.variable: direct,
            environment.direct_url.variable: direct,
        }
    return variables


def _url_text(frames: Frames, name: str, source: UrlSource, mark: str) -> str:
    frame = frames.get(name)
    if frame.exit_code != 0:
        # A command's own messages may hold anything: they are not repeated.
        problem = frame.problem if source.command is None else f"exit code {frame.exit_code}"
        raise WrongUrl(f"{_place(source)}: no database URL: {problem}", "check it in the inventory")
    if source.env_file is not None:
        return parse_env_line(frame.text, source.variable, _place(source))
    if source.env is not None:
        return frame.text.rpartition(f"{mark} value ")[2]
    return frame.text


def _place(source: UrlSource) -> str:
    if source.env_file is not None:
        return f"{source.variable} in {source.env_file}"
    return f"{source.env} of the login shell" if source.env else "the command for the database URL"


def _source_values(prefix: str, source: UrlSource | None) -> dict[str, Value]:
    kind, place = "", ""
    if source is not None:
        kind = "env_file" if source.env_file else "env" if source.env else "command"
        place = source.env_file or source.command or ""
    return {
        f"{prefix}_kind": kind,
        f"{prefix}_place": HostPath(place) if kind == "env_file" else place,
        f"{prefix}_name": source.variable if source else "",
    }
