"""`ops sandbox ...`: the words of the command line, and nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ops.sandbox.incidents import INCIDENTS, RUNNING_FOR
from ops.sandbox.layout import Layout
from ops.sandbox.sandbox import Sandbox, default_root

app = typer.Typer(
    help="A production host on the loopback: PostgreSQL, SSH, git, the real Prisma CLI, "
    "broken in a named way.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Prisma(StrEnum):
    """Prisma's major version."""

    six = "6"
    seven = "7"


class Sending(StrEnum):
    """How a migration script reaches PostgreSQL."""

    one_query = "one-query"
    per_statement = "per-statement"


class Ssh(StrEnum):
    """Which SSH server."""

    auto = "auto"
    openssh = "openssh"
    builtin = "builtin"


_DIRECTORY = "Its directory is $OPS_SANDBOX, by default .sandbox in the current directory."


@app.command(
    epilog="Examples:  ops sandbox up --incident p3018-type-exists   ·   "
    "ops sandbox up --prisma 7 --engine per-statement --ssh builtin   ·   "
    "ops sandbox up --postgres postgresql://me:secret@127.0.0.1:5432/postgres",
    help=f"Bring up a sandbox. {_DIRECTORY}",
)
def up(
    incident: Annotated[
        str, typer.Option(help="What is wrong with it; see `ops sandbox incidents`.")
    ] = "healthy",
    prisma: Annotated[Prisma, typer.Option(help="Major version of Prisma.")] = Prisma.six,
    engine: Annotated[
        Sending,
        typer.Option(
            help="one-query: a script is one message and one transaction. "
            "per-statement: each statement commits by itself."
        ),
    ] = Sending.one_query,
    ssh: Annotated[
        Ssh, typer.Option(help="auto: the machine's sshd where it works, else the builtin one.")
    ] = Ssh.auto,
    postgres: Annotated[
        str,
        typer.Option(
            metavar="16|18|URL",
            help="Version, or the URL of a server: a database of our own is made there.",
        ),
    ] = "16",
    seconds: Annotated[
        float, typer.Option(help="How long the incident `running` stays so, in seconds.", min=0)
    ] = RUNNING_FOR,
) -> None:
    """Bring up a sandbox."""
    box = Sandbox.up(
        incident=incident,
        prisma=int(prisma.value),
        engine=engine.value,
        ssh=ssh.value,
        postgres=postgres,
        seconds=seconds,
        say=typer.echo,
    )
    typer.echo(f"up in {box.root}: {box.mode.title}; SSH: {box.ssh_kind}; incident: {box.incident}")
    typer.echo(f"log in:   ssh -F {box.root}/ssh_config sandbox")
    typer.echo("look at:  ops status sandbox")


@app.command(
    epilog="Example:  ops sandbox down",
    help=f"End the sandbox and remove everything that it made. Harmless where none is up. "
    f"{_DIRECTORY}",
)
def down() -> None:
    """End the sandbox."""
    layout = Layout(default_root())
    if not layout.state.exists():
        typer.echo(f"no sandbox is up in {layout.root}")
        return
    Sandbox.at().down()
    typer.echo(f"down: {layout.root} is gone")


@app.command("break", epilog="Example:  ops sandbox break running --seconds 30")
def break_(
    name: Annotated[str, typer.Argument(help="The incident; see `ops sandbox incidents`.")],
    seconds: Annotated[
        float, typer.Option(help="How long the incident `running` stays so, in seconds.", min=0)
    ] = RUNNING_FOR,
) -> None:
    """Make an incident happen in a healthy sandbox that is up."""
    Sandbox.at(say=typer.echo).break_(name, seconds=seconds)


@app.command(epilog="Example:  ops sandbox incidents")
def incidents() -> None:
    """Show what can be wrong, and what recovery is expected to do about it."""
    table = Table("incident", "what happened", "what recovery does", show_lines=True)
    for one in INCIDENTS:
        table.add_row(one.name, one.happened, one.recovery)
    Console().print(table)
