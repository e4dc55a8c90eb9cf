"""The door for `fab ENVIRONMENT ACTION`: one selector task per environment, one per action.

The command line is checked as a whole before the first task runs: Invoke runs tasks as it finds
them, and would carry out half of a wrong line. Errors of the line end with exit code 2, where
Invoke has 1.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.parser import Parser
from invoke.tasks import Task

from ops import __version__
from ops.actions.catalogue import ACTIONS, Action
from ops.door import perform, say_error
from ops.errors import ExitCode, InventoryError, OpsError, UsageError

_CHOSEN: Final = "ops_environment"
"""The one key that is put into Fabric's configuration: a name. Nothing else ever is, because
`fab -d` prints it all. It has no default, so no FABRIC_* variable can set it."""

_REFUSED_FLAGS: Final = {
    "hosts": "-H",
    "identity": "-i",
    "ssh-config": "-S",
    "connect-timeout": "-t",
    "command-timeout": "-T",
    "prompt-for-login-password": "--prompt-for-login-password",
    "prompt-for-passphrase": "--prompt-for-passphrase",
    "prompt-for-sudo-password": "--prompt-for-sudo-password",
}
"""Fabric's own ways to say which host, and how. Ours would pass them over in silence."""

_HOW: Final = "fab ENVIRONMENT ACTION; hosts are in inventory.yaml and the SSH configuration"


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
        environments = list(tasks.task_names)  # as they are typed: Invoke makes some _ a -
        for action in ACTIONS:
            tasks.add_task(_task(action, path))
        _check_command_line(tasks, environments)
    except OpsError as error:
        raise _exit(error) from None
    return tasks


def _exit(error: OpsError) -> Exit:
    """Return what Invoke prints to stderr, and ends with."""
    return Exit(say_error(error), code=int(error.exit_code))


def _selector(name: str) -> Task[Any]:
    def select(context: Any) -> None:
        before = context.config.get(_CHOSEN, name)
        if before != name:
            raise _exit(_two_environments([before, name]))
        context.config[_CHOSEN] = name

    select.__doc__ = f"Work on the environment {name}."
    return Task(select, name=name)


def _task(action: Action, inventory: Path) -> Task[Any]:
    def body(context: Any, **options: Any) -> None:
        environment = context.config.get(_CHOSEN)
        if environment is None:
            raise _exit(_no_environment(action.name, []))
        if context.config.run.dry:  # fab -R: our channels do not go through Invoke
            if any(option.name == "dry_run" for option in action.options):
                options["dry_run"] = True
            elif not action.reads_only:
                raise _exit(
                    UsageError(
                        f"{action.name} has no dry run, and -R must not change anything",
                        f"see what stands: fab {environment} status",
                    )
                )
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


def _check_command_line(tasks: Collection, environments: list[str]) -> None:
    """Check the whole line, as `fab` has it, before anything of it is done."""
    from fabric.main import program  # noqa: PLC0415

    core = getattr(program, "core", None)
    if core is None or core[0].args.complete.value:
        return  # not started by `fab`, or by a shell that completes a line
    _check_flags(core[0].args)
    if core.remainder:
        raise UsageError("commands of your own after -- are not run here", _HOW)
    if not core.unparsed:
        return
    parser = Parser(contexts=tasks.to_contexts(), initial=program.initial_context)
    try:
        contexts = parser.parse_argv(core.unparsed)
    except ParseError as error:
        raise _explained(error, list(parser.contexts)) from None
    except ValueError as error:  # a flag of Fabric's own with a wrong value
        raise UsageError(
            f"a flag of Fabric's has a wrong value: {error}", "fab --help shows the flags"
        ) from None
    _check_flags(contexts[0].args)
    _check_words([str(context.name) for context in contexts[1:]], environments)


def _explained(error: ParseError, known: list[str]) -> UsageError:
    text = str(error).partition("\n")[0]
    if unknown := re.fullmatch(r"No idea what '(.*)' is!", text):
        word = unknown.group(1)
        if word.startswith("-"):
            return UsageError(f"there is no option {word}", "fab --help ACTION shows its options")
        close = difflib.get_close_matches(word, known, n=1)
        meant = f"; did you mean `{close[0]}`?" if close else ""
        return UsageError(
            f"`{word}` is neither an environment nor an action",
            f"fab --list shows both{meant}",
        )
    if bare := re.match(r"Flag <Argument: (\w+).*> needed value", text):
        text = f"--{bare.group(1).replace('_', '-')} needs a value"
    return UsageError(text, "fab --help ACTION shows its options")


def _check_flags(flags: Any) -> None:
    for name, flag in _REFUSED_FLAGS.items():
        if name in flags and flags[name].value:
            raise UsageError(
                f"{flag} is not used here: the environment says which host, and how", _HOW
            )


def _check_words(words: list[str], environments: list[str]) -> None:
    chosen = list(dict.fromkeys(word for word in words if word in environments))
    if len(chosen) > 1:
        raise _two_environments(chosen)
    if words and words[0] not in environments:
        raise _no_environment(words[0], environments)
    if words and words[-1] in environments:
        raise UsageError(
            f"what shall be done with {words[-1]}?", f"for example: fab {words[-1]} status"
        )


def _two_environments(names: list[str]) -> UsageError:
    return UsageError(f"two environments in one call: {' and '.join(names)}", "use a call for each")


def _no_environment(action: str, environments: list[str]) -> UsageError:
    example = environments[0] if environments else "ENVIRONMENT"
    return UsageError(
        f"`{action}` needs an environment before it",
        f"for example: fab {example} {action}; fab --list shows the environments",
    )


def _names(path: Path) -> list[str]:
    """Return the inventory's environments, from a cache when this same file was checked before.

    Checking takes msgspec and YAML; that is a fifth of the time of `fab --list`. There is one
    cached file for each inventory. It says for which content and which version of the checks it
    holds, so it is never wrong, and losing it costs nothing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be read: {error.strerror}", "name another file: OPS_INVENTORY=path"
        ) from None
    checks = Path(__file__).with_name("inventory.py").stat().st_mtime_ns
    key = hashlib.sha256(f"{__version__} {checks}\0".encode() + content).hexdigest()
    place = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = Path(base).expanduser() / "prisma-ops" / "names" / place
    cached = cache.read_text(encoding="ascii").split() if cache.is_file() else []
    if len(cached) > 1 and cached[0] == key:
        return cached[1:]
    from ops.inventory import load  # noqa: PLC0415

    names = list(load(path).environments)
    part = cache.with_name(f"{place}.{os.getpid()}")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("\n".join([key, *names]), encoding="ascii")
        part.replace(cache)
    except OSError:  # a cache that cannot be written is no reason to stop
        with suppress(OSError):
            part.unlink()
    return names
