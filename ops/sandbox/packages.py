"""What npm installs: the pinned Prisma, and the driver of the stand-in engine."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.sandbox import process
from ops.sandbox.cache import cache_root, cached, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.sandbox.node import Node

HERE: Final = Path(__file__).parent
PACKAGES: Final = HERE / "packages"
ENGINE: Final = HERE / "engine"
_MANIFEST: Final = ("package.json", "package-lock.json")

NATIVE: Final = "OPS_SANDBOX_NATIVE_ENGINE"
"""Set to 1, npm may run install scripts, by which Prisma downloads its native engine."""


def npm_environment() -> dict[str, str]:
    """The settings under which npm works from the sandbox's cache, also without a network.

    The user's own npmrc stays in force on the sandbox's host, because the cache knows packages
    by the registry that they came from.
    """
    name = "npm_config_userconfig"
    userconfig = os.environ.get(name) or str(Path.home() / ".npmrc")
    return {
        "npm_config_cache": str(cache_root() / "npm"),
        "npm_config_prefer_offline": "true",
        name: userconfig,
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
    }


def installed(name: str, node: Node, say: Callable[[str], None]) -> Path:
    """Return a directory whose `node_modules` is what the lock file of `packages/<name>` says.

    Raises:
        StepFailed: npm failed.
    """
    source = PACKAGES / name
    native = os.environ.get(NATIVE) == "1"
    key = digest([*(source / file for file in _MANIFEST), platform.system(), platform.machine()])
    where = f"{name}-{key}{'-native' if native else ''}"
    return cached(where, lambda folder: _install(source, folder, node, say, scripts=native))


def engine(node: Node, say: Callable[[str], None]) -> Path:
    """Return the stand-in engine's main file, with its driver installed beside it."""
    sources = sorted(ENGINE.glob("*.cjs"))
    key = digest([*(ENGINE / file for file in _MANIFEST), *sources])

    def make(folder: Path) -> None:
        _install(ENGINE, folder, node, say, scripts=False)
        for source in sources:
            shutil.copy2(source, folder)

    return cached(f"engine-{key}", make) / "main.cjs"


def native_engine(installation: Path) -> Path | None:
    """Prisma's own schema engine in an installation, where npm's scripts have put one."""
    return next((installation / "node_modules/@prisma/engines").glob("schema-engine-*"), None)


def _install(
    source: Path, folder: Path, node: Node, say: Callable[[str], None], *, scripts: bool
) -> None:
    say(f"installing {source.name} from npm (once; kept in {cache_root()})")
    for file in _MANIFEST:
        shutil.copy2(source / file, folder)
    path = f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    process.run(
        [*node.npm, "ci", *([] if scripts else ["--ignore-scripts"])],
        cwd=folder,
        env={**os.environ, **npm_environment(), "PATH": path, "CHECKPOINT_DISABLE": "1"},
        what=f"npm ci of {source.name}",
    )
