"""The door for `fab ENVIRONMENT ACTION`: one selector task per environment, one per action.

The command line is checked as a whole before the first task runs: Invoke runs tasks as it finds
them, and would carry out half of a wrong line. Errors of the line end with exit code 2, where
Invoke has 1.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.parser import Parser
from invoke.tasks import Task

from ops import __version__
from ops.actions.catalogue import ACTIONS, Action
from ops.door import perform, say_error
from ops.errors import ExitCode, InventoryError, OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHOSEN: Final = "ops_environment"
"""The one key that is put into Fabric's configuration: a name. Nothing else ever is, because
`fab -d` prints it all. It has no default, so no FABRIC_* variable can set it."""

_REFUSED_FLAGS: Final = {
    "hosts": "-H",
    "identity": "-i",
    "ssh-config": "-S",
    "connect-timeout": "-t",
    "prompt-for-login-password": "--prompt-for-login-password",
    "prompt-for-passphrase": "--prompt-for-passphrase",
}


def namespace(inventory: Path) -> Collection:
    """Return the tasks for an inventory.

    Args:
        inventory: The file beside fabfile.py; $OPS_INVENTORY wins.

    Raises:
        Exit: The inventory or the command line is wrong; one line, exit code 2.
    """
    path = Path(os.environ.get("OPS_INVENTORY") or inventory)
    try:
        names = _names(path)
        tasks = Collection()
        for name in names:
            tasks.add_task(_selector(name))
        for action in ACTIONS:
            tasks.add_task(_task(action, path))
        _check_command_line(tasks, [name.replace("_", "-") for name in names])
    except OpsError as error:
        raise Exit(say_error(error), code=int(error.exit_code)) from None
    return tasks


def _selector(name: str) -> Task[Any]:
    def select(context: Any) -> None:
        context.config[_CHOSEN] = name

    select.__doc__ = f"Work on the environment {name}."
    return Task(select, name=name)


def _task(action: Action, inventory: Path) -> Task[Any]:
    def body(context: Any, **options: Any) -> None:
        environment = context.config.get(_CHOSEN)
        dry = bool(context.config.run.dry)  # fab -R: our channels do not go through Invoke
        if dry and any(option.name == "dry_run" for option in action.options):
            options["dry_run"] = True
        code = perform(action, inventory, environment, options)
        if code is not ExitCode.OK:
            raise Exit(code=int(code))

    parameters = [inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [
        inspect.Parameter(
            option.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=option.default
        )
        for option in action.options
    ]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    examples = "\n".join(f"  fab {example}" for example in action.examples)
    body.__doc__ = f"{action.summary}\n\n{action.details}\n\nExamples:\n\n{examples}\n"
    help_texts = {option.name.replace("_", "-"): option.help for option in action.options}
    return Task(body, name=action.name, help=help_texts, auto_shortflags=False)


def _check_command_line(tasks: Collection, environments: Iterable[str]) -> None:
    """Check the whole line, as `fab` has it, before anything of it is done."""
    from fabric.main import program  # noqa: PLC0415

    core = getattr(program, "core", None)
    if core is None or not core.unparsed or core[0].args.complete.value:
        return  # not started by `fab`, or nothing to do
    parser = Parser(contexts=tasks.to_contexts(), initial=program.initial_context)
    try:
        contexts = parser.parse_argv(core.unparsed)
    except ParseError as error:
        text = str(error).splitlines()[0]
        raise UsageError(text, "fab --list shows environments and actions") from None
    for flags in (core[0].args, contexts[0].args):
        _check_flags(flags)
    _check_words([str(context.name) for context in contexts[1:]], set(environments))


def _check_flags(flags: Any) -> None:
    for name, flag in _REFUSED_FLAGS.items():
        if name in flags and flags[name].value:
            raise UsageError(
                f"{flag} is not used here: the environment says which host, and how",
                "fab ENVIRONMENT ACTION; hosts are in inventory.yaml and the SSH configuration",
            )


def _check_words(words: list[str], environments: set[str]) -> None:
    chosen = list(dict.fromkeys(word for word in words if word in environments))
    if len(chosen) > 1:
        raise UsageError(
            f"two environments in one call: {' and '.join(chosen)}", "use one call for each"
        )
    if words and words[0] not in environments:
        known = ", ".join(sorted(environments))
        raise UsageError(
            f"`{words[0]}` needs an environment before it", f"fab ENVIRONMENT {words[0]}: {known}"
        )
    if words and len(words) == len([word for word in words if word in environments]):
        raise UsageError(
            f"what shall be done with {words[0]}?", f"for example: fab {words[0]} status"
        )


def _names(path: Path) -> list[str]:
    """Return the inventory's environments, from a cache when this same file was checked before.

    Checking takes msgspec and YAML; that is a fifth of the time of `fab --list`. The cache is
    keyed by the file's content and this version, so it is never wrong, and losing it costs nothing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be read: {error.strerror}", "OPS_INVENTORY names another file"
        ) from None
    key = hashlib.sha256(__version__.encode() + b"\0" + content).hexdigest()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = Path(base).expanduser() / "prisma-ops" / "names" / key
    if cache.is_file():
        return cache.read_text(encoding="utf-8").split()
    from ops.inventory import load  # noqa: PLC0415

    names = list(load(path).environments)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text("\n".join(names), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written is no reason to stop
    return names
