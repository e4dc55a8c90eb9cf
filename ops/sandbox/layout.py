"""Where everything of a sandbox lies below its one directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of a sandbox.

    Attributes:
        root: The sandbox's directory, absolute.
    """

    root: Path

    @property
    def state(self) -> Path:
        """What runs: pids, ports, options."""
        return self.root / "state.json"

    @property
    def inventory(self) -> Path:
        """An inventory with the one environment `sandbox`."""
        return self.root / "inventory.yaml"

    @property
    def ssh_config(self) -> Path:
        """How the SSH client reaches the host `sandbox`."""
        return self.root / "ssh_config"

    @property
    def origin(self) -> Path:
        """The bare repository that the host fetches from."""
        return self.root / "origin.git"

    @property
    def developer(self) -> Path:
        """The checkout from which commits are pushed to the origin."""
        return self.root / "developer"

    @property
    def engine(self) -> Path:
        """The program that PRISMA_SCHEMA_ENGINE_BINARY names."""
        return self.root / "engine" / "schema-engine"

    @property
    def postgres(self) -> Path:
        """The cluster, where the server's user can reach it."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """Output of programs that the sandbox left running."""
        return self.root / "logs"

    @property
    def home(self) -> Path:
        """HOME of the SSH user on the host."""
        return self.root / "host"

    @property
    def bin(self) -> Path:
        """Programs that a non-interactive PATH does not have."""
        return self.home / "bin"

    @property
    def repo(self) -> Path:
        """The host's checkout."""
        return self.home / "schooliat" / "repo"

    @property
    def app(self) -> Path:
        """Where package.json lies in the host's checkout."""
        return self.repo / "Backend"

    @property
    def shared(self) -> Path:
        """What outlives a release on the host."""
        return self.home / "schooliat" / "shared"

    @property
    def env_file(self) -> Path:
        """The file that sets DATABASE_URL."""
        return self.shared / ".env"

    @property
    def backups(self) -> Path:
        """Where dumps go."""
        return self.shared / "backups"
