"""The door for programs and CI: `ops ACTION ENVIRONMENT`, and what is not an action."""

from __future__ import annotations

import inspect
import sys
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from ops import __version__
from ops.actions.catalogue import ACTIONS, Action, Option
from ops.door import perform, print_json, say_error
from ops.errors import ExitCode, OpsError, UsageError
from ops.secrets import Redactor

_ClickException: Final[Any] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""What Typer raises for a wrong command line. Newer versions bring a copy of Click of their own,
so it is reached by way of a child of it that Typer makes public."""

app = typer.Typer(
    help="Recover a production PostgreSQL database from a failed Prisma migration.",
    # \b: the lines of a paragraph stay as they are.
    epilog="\b\nExamples:\n  ops status prod\n  ops recover prod --dry-run\n  ops recover prod\n"
    "  ops sandbox up --incident p3018-type-exists",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
inventory_app = typer.Typer(help="The inventory: which hosts there are.", no_args_is_help=True)
app.add_typer(inventory_app, name="inventory")


class _Sandbox(TyperGroup):
    """`ops sandbox`: loaded when it is called, because it takes longer than all the rest."""

    @cached_property
    def _group(self) -> TyperGroup:
        from ops.sandbox.commands import app as sandbox  # noqa: PLC0415

        return get_group(sandbox)

    def list_commands(self, ctx: Any) -> list[str]:
        return self._group.list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self._group.get_command(ctx, cmd_name)


app.add_typer(
    typer.Typer(cls=_Sandbox, no_args_is_help=True),
    name="sandbox",
    short_help="A production host on this machine, broken in a named way.",
    help="A production host on the loopback: PostgreSQL, SSH, git, the real Prisma CLI, "
    "broken in a named way.",
)

InventoryOption = Annotated[
    Path | None,
    typer.Option("--inventory", help="The inventory; default: $OPS_INVENTORY, or the nearest one."),
]


@inventory_app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="Default: as for all actions.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check an inventory: every mistake is one line with its place.

    Example: ops inventory check inventory.yaml
    """
    from ops.inventory import load, locate  # noqa: PLC0415
    from ops.report.outcome import Outcome  # noqa: PLC0415

    hint, data = "", {}
    try:
        inventory = load(file or locate())
    except OpsError as error:
        if not as_json:
            raise
        code, message, hint = error.exit_code, error.message, error.hint
        sys.stderr.write(say_error(error) + "\n")
    else:
        code, message = ExitCode.OK, f"{inventory.path}: right"
        data = {"environments": list(inventory.environments)}
    if as_json:
        print_json(Outcome(code, message, data), "inventory check", "", Redactor(), hint)
    else:
        typer.echo(f"{message}: {', '.join(data['environments'])}")
    raise typer.Exit(int(code))


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
        code = app(prog_name="ops", standalone_mode=False)
    except OpsError as error:
        code = _failed(error)
    except _ClickException as error:
        text = error.format_message()
        if text.startswith("Usage: "):  # a group without a command: this is its help
            sys.stdout.write(text + "\n")
            code = ExitCode.USAGE
        else:
            code = _failed(UsageError(text.replace("\n", " "), _usage_hint(error)))
    except (typer.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    sys.exit(int(code or 0))


def _failed(error: OpsError) -> ExitCode:
    """Say what is wrong with a command line; a program that asked for JSON gets it as JSON too."""
    sys.stderr.write(say_error(error) + "\n")
    if "--json" in sys.argv:
        from ops.report.outcome import Outcome  # noqa: PLC0415

        print_json(Outcome(error.exit_code, error.message), "", "", Redactor(), error.hint)
    return error.exit_code


def _usage_hint(error: Any) -> str:
    first, second = (*sys.argv[1:3], "", "")[:2]
    names = {action.name for action in ACTIONS}
    if second in names and first not in names and not first.startswith("-"):
        return f"the action comes first here: ops {second} {first}"
    if context := getattr(error, "ctx", None):
        return f"{context.command_path} --help"
    return f"ops {first} --help" if first in names else "ops --help"


def _add(action: Action) -> None:
    def command(**values: Any) -> None:
        environment = values.pop("environment")
        inventory = values.pop("inventory")
        as_json = values.pop("as_json")
        code = perform(action, inventory, environment, values, as_json=as_json)
        raise typer.Exit(int(code))

    environment = Annotated[
        str, typer.Argument(metavar="ENVIRONMENT", help="One of the inventory's.")
    ]
    as_json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
    parameters = [
        _parameter("environment", environment),
        *(_parameter(option.name, _typed(option), option.default) for option in action.options),
        _parameter("inventory", InventoryOption, None),
        _parameter("as_json", as_json, default=False),
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    examples = (example.partition(" ")[::2] for example in action.examples)
    lines = (
        f"ops {name} {place} {more}".rstrip()
        for place, rest in examples
        for name, _, more in [rest.partition(" ")]
    )
    command.__doc__ = "\n\n".join(
        filter(None, (action.summary, action.details, "\b\nExamples:\n  " + "\n  ".join(lines)))
    )
    app.command(action.name, short_help=action.summary)(command)


def _typed(option: Option) -> Any:
    flag = "--" + option.name.replace("_", "-")
    if isinstance(option.default, bool):
        return Annotated[bool, typer.Option(flag, help=option.help)]
    return Annotated[str, typer.Option(flag, metavar="TEXT", help=option.help, show_default=False)]


def _parameter(
    name: str, annotation: Any, default: Any = inspect.Parameter.empty
) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


for _action in ACTIONS:
    _add(_action)
