"""What an action works on: an environment, a connection to it, a screen."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import HostKeyRefused, Unreachable
from ops.facts.gather import Facts, gather
from ops.host.connection import Address
from ops.host.ssh import SshHost
from ops.report.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.host.base import Host
    from ops.inventory import Environment, Inventory
    from ops.secrets import Redactor


@dataclass(frozen=True)
class Target:
    """One environment, reached.

    Args:
        name: As typed.
        environment: What the inventory says.
        host: The connection.
        gate: Knows the secrets of this run.
        screen: Where people look.
    """

    name: str
    environment: Environment
    host: Host
    gate: Redactor
    screen: Screen

    def facts(self, *, fetch: bool) -> Facts:
        """Gather all facts; with `fetch`, git first asks origin for the branch."""
        return gather(self.host, self.environment, self.gate, fetch=fetch)


@contextmanager
def reach(
    inventory: Inventory, name: str, gate: Redactor, *, for_program: bool = False
) -> Iterator[Target]:
    """Connect to an environment: to the first of its hosts that answers.

    Args:
        inventory: Where it stands.
        name: Which.
        gate: Learns the secrets of this run.
        for_program: Whether stdout is kept free for JSON.

    Raises:
        InventoryError: There is no such environment.
        Unreachable: None of its hosts answers.
    """
    environment = inventory.environment(name)
    screen = Screen(name, gate, for_program=for_program)
    host = _first_that_answers(inventory, name, screen)
    try:
        yield Target(name, environment, host, gate, screen)
    finally:
        host.close()


def _first_that_answers(inventory: Inventory, name: str, screen: Screen) -> SshHost:
    environment = inventory.environment(name)
    ssh_config = None
    if environment.ssh_config is not None:
        ssh_config = (inventory.path.parent / Path(environment.ssh_config).expanduser()).absolute()
    last = len(environment.hosts) - 1
    for index, host in enumerate(environment.hosts):
        address = Address(
            host.host,
            host.port,
            host.user,
            host.host_key,
            ssh_config,
            f"environments.{name}.hosts[{index}]",
        )
        found = SshHost(address)
        try:
            found.connect()
        except HostKeyRefused:
            raise
        except Unreachable as error:
            if index == last:
                raise
            screen.notice(f"{error.message}; trying the next host")
        else:
            return found
    raise AssertionError("an environment has at least one host")
