"""The checkout on the host, and what origin has beyond it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ops.facts.frames import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.facts.frames import Frame, Frames

_TIMED_OUT: Final = 124
"""Exit code of timeout(1) when the time was up."""
_ESCAPE: Final = re.compile(rb'\\([0-7]{3}|["\\abfnrtv])')
_LETTERS: Final = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))


@dataclass(frozen=True)
class Commit:
    """One incoming commit, as a line for people."""

    short: str
    author: str
    subject: str


@dataclass(frozen=True)
class LockFile:
    """A package manager's lock file in git.

    Args:
        path: From the top of the repository.
        blob: Its git object; equal means equal content.
        prisma: The version of Prisma it names; empty where it names none, `?` where that cannot
            be told.
    """

    path: str
    blob: str
    prisma: str


@dataclass(frozen=True)
class Past:
    """What a commit that was checked out lately says of Prisma.

    Args:
        locks: Its lock files.
        configs: The text of its prisma.config.* files.
        scripts: Git objects of all its migration.sql.
    """

    locks: tuple[LockFile, ...]
    configs: str
    scripts: frozenset[str]


@dataclass(frozen=True)
class Tree:
    """One commit, as far as migrations are concerned.

    Args:
        commit: Its full id.
        files: Path from the top -> git object, for all that lies in directories of migrations.
        locks: The lock files of the app and of the repository.
    """

    commit: str
    files: Mapping[str, str]
    locks: tuple[LockFile, ...]


@dataclass(frozen=True)
class Git:
    """The state of the checkout.

    Args:
        branch: The branch that is checked out; None when HEAD is detached.
        changed: Tracked files that differ from HEAD.
        head: What is checked out.
        main: What origin has, as of the last fetch.
        ahead: Commits of HEAD that origin does not have.
        behind: Commits of origin that HEAD does not have.
        unpushed: Commits of the local branch that origin does not have.
        incoming: At most 100 commits that a checkout would bring in, newest first.
        moves: When HEAD came to stand where, newest first (the reflog).
        past: By commit, the last ones that were checked out.
        contents: Git object -> bytes of the migrations' files of all these commits.
        directories: Directories on disk, from the top, that lie where migrations lie.
    """

    branch: str | None
    changed: tuple[str, ...]
    head: Tree
    main: Tree
    ahead: int
    behind: int
    unpushed: int
    incoming: tuple[Commit, ...]
    moves: tuple[tuple[datetime, str], ...]
    past: Mapping[str, Past]
    contents: Mapping[str, bytes]
    directories: tuple[str, ...]

    def commit_at(self, when: datetime) -> str | None:
        """Return the commit that was checked out at a time; None when the reflog ends before."""
        return next((commit for moment, commit in self.moves if moment <= when), None)


def parse_git(frames: Frames, repo: str, branch: str) -> Git:
    """Read the git probes.

    Raises:
        Unknown: The repository, or origin's branch, cannot be read.
    """
    _check_repository(frames, repo, branch)
    ahead, behind = _counts(frames, "counts")
    has_local = frames.get("local branch").exit_code == 0
    return Git(
        branch=frames.get("branch").text or None,
        changed=_changed(frames.need("changed", f"{repo}: git status failed").stdout),
        head=_tree(frames, "head"),
        main=_tree(frames, "main"),
        ahead=ahead,
        behind=behind,
        unpushed=_counts(frames, "branch counts")[0] if has_local else 0,
        incoming=_incoming(frames),
        moves=_moves(frames),
        past=_past(frames),
        contents=parse_batch(frames.need("contents", "git cat-file failed").stdout),
        directories=tuple(sorted(frames.need("directories", "find failed").lines)),
    )


def parse_batch(output: bytes) -> dict[str, bytes]:
    """Read what `git cat-file --batch` prints: object id -> content."""
    found: dict[str, bytes] = {}
    position = 0
    while position < len(output):
        end = output.find(b"\n", position)
        header = output[position : end if end >= 0 else None].decode().split()
        if len(header) != 3 or header[1] != "blob":  # noqa: PLR2004
            raise Unknown(f"git cat-file answered {' '.join(header)!r}")
        size = int(header[2])
        found[header[0]] = output[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return found


def sha256(content: bytes) -> str:
    """Return Prisma's checksum of a script."""
    return hashlib.sha256(content).hexdigest()


def spellings(content: bytes) -> dict[str, bytes]:
    """Return checksum -> content for each form in which Prisma takes a script as the same.

    Only its line ends may differ, and very old versions wrote each byte of the checksum without
    its leading zero (schema-connector/src/checksum.rs).
    """
    unix = content.replace(b"\r\n", b"\n")
    found: dict[str, bytes] = {}
    for text in (content, unix, unix.replace(b"\n", b"\r\n")):
        digest = hashlib.sha256(text).digest()
        found.setdefault(digest.hex(), text)
        found.setdefault("".join(f"{byte:x}" for byte in digest), text)
    return found


def _check_repository(frames: Frames, repo: str, branch: str) -> None:
    inside = frames.get("inside")
    if inside.exit_code != 0:
        if "nknown option" in inside.stderr:
            raise Unknown(
                f"{repo}: git on the host is too old: it does not know `git -C`",
                "install git 2.9 or later there, or name its directory in `path`",
            )
        if "dubious ownership" in inside.stderr:
            raise Unknown(
                f"{repo}: git does not trust it, because another user owns it",
                f"on the host: git config --global --add safe.directory {repo}",
            )
        if "git is not on the PATH" in inside.stderr:
            raise Unknown(inside.problem, "install git there, or name its directory in `path`")
        raise Unknown(f"{repo}: not a git checkout: {inside.problem}", "check `repo`")
    if "fetch" in frames and frames.get("fetch").exit_code != 0:
        raise Unknown(
            f"{repo}: git fetch failed: {_fetch_problem(frames.get('fetch'))}",
            f"log in and try: git -C {repo} fetch origin {branch}",
        )
    if frames.get("commit head").exit_code != 0:
        raise Unknown(
            f"{repo}: nothing is checked out there: HEAD names no commit",
            f"log in and check out {branch}",
        )
    if frames.get("commit main").exit_code != 0:
        raise Unknown(
            f"{repo}: origin has no branch {branch}, or it was never fetched",
            f"check `branch` in the inventory, or on the host: git -C {repo} fetch origin {branch}",
        )


def _fetch_problem(fetch: Frame) -> str:
    """Return what git or ssh said first: what comes after it is advice."""
    if fetch.exit_code == _TIMED_OUT:
        return "origin did not answer within 60 s"
    lines = [line.strip() for line in fetch.stderr.splitlines() if line.strip()]
    said = (line for line in lines if not line.lower().startswith("warning:"))
    return next(said, fetch.problem)


def _counts(frames: Frames, name: str) -> tuple[int, int]:
    left, right = frames.need(name, "git rev-list failed").text.split()
    return int(left), int(right)


def _changed(output: bytes) -> tuple[str, ...]:
    """Paths of `git status --porcelain -z`: `XY path`, a rename followed by its old path."""
    found = []
    entries = iter(output.decode(errors="replace").split("\0"))
    for entry in entries:
        if entry:
            found.append(entry[3:])
            if "R" in entry[:2] or "C" in entry[:2]:
                next(entries, None)
    return tuple(found)


def _tree(frames: Frames, label: str) -> Tree:
    files = {}
    for line in frames.need(f"tree {label}", "git ls-tree failed").lines:
        meta, _, path = line.partition("\t")
        files[_unquoted(path)] = meta.split()[2]
    commit = frames.need(f"commit {label}", "git rev-parse failed").text
    return Tree(commit, files, _locks(frames, label))


def _locks(frames: Frames, label: str) -> tuple[LockFile, ...]:
    lines = frames.need(f"locks {label}", "the lock files cannot be read").lines
    return tuple(LockFile(*line.split("\t")) for line in lines)


def _past(frames: Frames) -> dict[str, Past]:
    commits = frames.need("recent", "git reflog failed").lines
    return {
        commit: Past(
            _locks(frames, commit),
            frames.need(f"configs {commit}", "prisma.config.* cannot be read").text,
            frozenset(
                frames.need(f"scripts {commit}", f"git ls-tree of {commit[:10]} failed").lines
            ),
        )
        for commit in commits
    }


def _unquoted(path: str) -> str:
    """Undo git's quoting of a path with odd characters."""
    if not path.startswith('"'):
        return path

    def letter(found: re.Match[bytes]) -> bytes:
        text = found.group(1)
        if len(text) == 3:  # noqa: PLR2004 - three octal digits
            return bytes([int(text, 8)])
        return bytes([_LETTERS.get(text[0], text[0])])

    return _ESCAPE.sub(letter, path[1:-1].encode()).decode(errors="replace")


def _incoming(frames: Frames) -> tuple[Commit, ...]:
    lines = frames.need("commits", "git log failed").lines
    return tuple(Commit(*line.split("\t", 2)) for line in lines)


def _moves(frames: Frames) -> tuple[tuple[datetime, str], ...]:
    """The reflog; one that is switched off is no error, it tells nothing."""
    pattern = re.compile(r"([0-9a-f]{40,64}) HEAD@\{(\d+)\}")
    found = filter(None, map(pattern.fullmatch, frames.get("reflog").lines))
    return tuple((datetime.fromtimestamp(int(move[2]), UTC), move[1]) for move in found)
