"""Things that take long to make and never change, kept between sandboxes.

Each lies under `$XDG_CACHE_HOME/prisma-ops` (default `~/.cache/prisma-ops`) in a directory whose
name holds the hash of all that went into it. Deleting the whole cache is always safe.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HASH_LENGTH: Final = 16
_UNUSED_AFTER: Final = 3 * 24 * 3600.0
"""Seconds without use after which an entry that has a successor is removed."""


def cache_root() -> Path:
    """The cache's directory, made 0700 where it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(base).absolute() / "prisma-ops"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def digest(parts: Iterable[str | bytes | Path]) -> str:
    """The hash of texts and of files; a file counts with its name and what is in it."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            total.update(f"{part.name}\0".encode())
            data = part.read_bytes()
        else:
            data = part.encode() if isinstance(part, str) else part
        total.update(f"{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()[:_HASH_LENGTH]


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the cached directory `name`, making it first where it is missing.

    Two processes that want the same one at the same time make it once. One that fails leaves
    nothing.

    Args:
        name: With the hash of everything that `make` depends on.
        make: Fills an empty directory.
    """
    root = cache_root()
    done = root / name
    if done.is_dir():
        os.utime(done)  # in use: see _drop_unused
        return done
    _drop_unused(root, name.rpartition("-")[0])
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.is_dir():
            return done
        partial = Path(tempfile.mkdtemp(prefix=f"{name}.part-", dir=root))
        try:
            make(partial)
            partial.rename(done)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return done


def _drop_unused(root: Path, prefix: str) -> None:
    """Remove what older versions of the same thing have left behind."""
    for old in root.glob(f"{prefix}-*"):
        if old.stat().st_mtime < time.time() - _UNUSED_AFTER:
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink(missing_ok=True)


def link_tree(source: Path | str, target: Path | str) -> None:
    """Copy a tree by hard links, or file by file where the two are on different file systems.

    Modes and times of directories are not kept: with ten thousand files that would take twice as
    long.
    """
    os.mkdir(target)  # noqa: PTH102 - quicker than Path, here and below
    with os.scandir(source) as entries:
        for entry in entries:
            copy = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), copy)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                link_tree(entry.path, copy)
            else:
                _link(entry.path, copy)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
