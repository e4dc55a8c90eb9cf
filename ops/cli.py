"""The door for programs and CI: `ops ACTION ENVIRONMENT`, and what is not an action."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from ops import __version__
from ops.actions.catalogue import ACTIONS, Action
from ops.door import perform, say_error
from ops.errors import ExitCode, OpsError, UsageError
from ops.sandbox.commands import app as sandbox

app = typer.Typer(
    help="Recover a production PostgreSQL database from a failed Prisma migration.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
inventory_app = typer.Typer(help="The inventory: which hosts there are.", no_args_is_help=True)
app.add_typer(inventory_app, name="inventory")
app.add_typer(sandbox, name="sandbox")

InventoryOption = Annotated[
    Path | None,
    typer.Option("--inventory", help="The inventory; default: $OPS_INVENTORY, or the nearest one."),
]


@inventory_app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="Default: as for all actions.")] = None,
) -> None:
    """Check an inventory: every mistake is one line with its place.

    Example: ops inventory check inventory.yaml
    """
    from ops.inventory import load, locate  # noqa: PLC0415

    inventory = load(file or locate())
    typer.echo(f"{inventory.path}: right: {', '.join(inventory.environments)}")


@app.callback(invoke_without_command=True)
def top(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Recover a production PostgreSQL database from a failed Prisma migration."""
    if version:
        typer.echo(f"prisma-ops {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line and exit with one of our exit codes."""
    try:
        code = app(standalone_mode=False)
    except OpsError as error:
        sys.stderr.write(say_error(error) + "\n")
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stdout.write(error.format_message() + "\n")
        code = ExitCode.USAGE
    except click.ClickException as error:
        usage = UsageError(error.format_message().replace("\n", " "), "ops --help")
        sys.stderr.write(say_error(usage) + "\n")
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    sys.exit(int(code or 0))


def _add(action: Action) -> None:
    def command(**values: Any) -> None:
        environment = values.pop("environment")
        inventory = values.pop("inventory")
        as_json = values.pop("as_json")
        code = perform(action, inventory, environment, values, as_json=as_json)
        raise typer.Exit(int(code))

    annotations: dict[str, Any] = {
        "environment": Annotated[str, typer.Argument(help="One of the inventory's.")],
        "inventory": InventoryOption,
        "as_json": Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")],
    }
    defaults: dict[str, Any] = {"inventory": None, "as_json": False}
    for option in action.options:
        flag = "--" + option.name.replace("_", "-")
        kind = bool if isinstance(option.default, bool) else str
        annotations[option.name] = Annotated[
            kind, typer.Option(flag, help=option.help, show_default=False)
        ]
        defaults[option.name] = option.default
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, inspect.Parameter.empty),
                annotation=annotation,
            )
            for name, annotation in annotations.items()
        ]
    )
    command.__annotations__ = annotations
    examples = "\n\n".join(
        f"ops {example.split()[1]} {example.split()[0]} {' '.join(example.split()[2:])}".rstrip()
        for example in action.examples
    )
    command.__doc__ = f"{action.summary}\n\n{action.details}\n\nExamples:\n\n{examples}"
    app.command(action.name)(command)


for _action in ACTIONS:
    _add(_action)
