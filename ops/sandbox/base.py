"""The healthy host before anything goes wrong: its repositories and its database.

Making it takes several real deploys. What they leave (the cluster's files and the repositories) is
kept in the cache and copied for the next sandbox, with other passwords. So is what an incident
leaves, where nothing of it goes on.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops.errors import StepFailed
from ops.sandbox import process, repository
from ops.sandbox.cache import digest
from ops.sandbox.repository import APP

if TYPE_CHECKING:
    from ops.sandbox.host import Host
    from ops.sandbox.layout import Layout
    from ops.sandbox.modes import Mode
    from ops.sandbox.postgres import Binaries

_BEFORE_SEED: Final = 5
"""So many migrations run on an empty database; the others meet rows."""

_CODE: Final = ("base", "database", "host", "incidents/*", "postgres", "repository")
"""The modules that decide what is in the cache."""


def build(host: Host) -> None:
    """Make the repositories and deploy the app's history, on a database that is empty.

    Raises:
        StepFailed: A deploy failed.
    """
    layout, mode = host.layout, host.mode
    repository.create(layout)
    repository.publish(
        layout,
        "School application",
        "2024-02-05T07:30:00+00:00",
        lambda app: repository.write_app(app, mode, migrations=_BEFORE_SEED),
    )
    repository.clone_to_host(layout)
    host.install()
    _deploy(host)
    host.database.sql((APP / "seed.sql").read_text(), as_app=True)
    repository.publish(
        layout,
        "Admission numbers, exams, payment dates",
        "2025-01-10T09:05:00+00:00",
        lambda app: repository.write_app(app, mode),
    )
    repository.pull_on_host(layout)
    _deploy(host)
    if mode.adapter:
        # The history holds a function with semicolons in its body, which the adapter cannot send:
        # like others, this app changed to the adapter later.
        repository.publish(
            layout,
            "Run migrations through the driver adapter",
            "2025-09-20T16:40:00+00:00",
            repository.write_adapter,
        )
        repository.pull_on_host(layout)
    host.database.sql("ANALYZE", as_app=True)
    shutil.rmtree(layout.logs)  # the story that they tell is over


def _deploy(host: Host) -> None:
    deploy = host.deploy()
    if deploy.exit_code != 0:
        said = " | ".join(line for line in deploy.output.splitlines() if line.strip())
        raise StepFailed(f"sandbox: the app's history could not be deployed: {said[-600:]}")


def key(mode: Mode, source: Binaries, packages: Path, engine: Path | None) -> str:
    """The hash of everything that the base is made of."""
    files = sorted(file for file in APP.rglob("*") if file.is_file())
    code = [file for name in _CODE for file in sorted(Path(__file__).parent.glob(f"{name}.py"))]
    names = [mode.name, mode.version, source.major, packages.name, str(os.geteuid())]
    engine_name = engine.parent.name if engine else "native"
    return digest([*names, engine_name, *(str(file) for file in files), *files, *code])


def keep(layout: Layout, cluster: Path, target: Path) -> None:
    """Copy what was made into the cache, without the installed packages. The server is down."""
    shutil.rmtree(layout.app / "node_modules")
    for name, source in _parts(layout, cluster).items():
        if source.exists():
            _copy(source, target / name)


def restore(template: Path, layout: Layout, cluster: Path) -> None:
    """Copy what is in the cache into a new sandbox."""
    layout.repo.parent.mkdir(parents=True, exist_ok=True)
    for name, target in _parts(layout, cluster).items():
        if (template / name).exists():
            _copy(template / name, target)
    repository.moved(layout)


def _parts(layout: Layout, cluster: Path) -> dict[str, Path]:
    return {
        "data": cluster,
        "origin.git": layout.origin,
        "developer": layout.developer,
        "repo": layout.repo,
        "logs": layout.logs,
    }


def _copy(source: Path, target: Path) -> None:
    # cp keeps owners and modes, and clones blocks where the file system can.
    process.run(["cp", "-Rp", source, target], what=f"copying {source.name}")
