"""YAML without its traps: what is read is what an editor shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from ops.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path


class _Loader(yaml.SafeLoader):
    """YAML without its traps.

    A repeated key is an error: PyYAML takes the last one in silence. `022`, `0x16`, `2_2` and
    `1:30` are not numbers: YAML 1.1 reads them as octal, hexadecimal, with separator, base 60.
    """

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key must be a single word", problem_mark=key_node.start_mark
                )
            key = key_node.value
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(
                    problem=f"the key `{key}` stands here twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_INTEGER: Final = "tag:yaml.org,2002:int"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _INTEGER]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INTEGER, re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))


def read_yaml(path: Path) -> Any:
    """Read and parse a file.

    Raises:
        InventoryError: It cannot be read, or is not plain YAML; the message names file and line.
    """
    text = _text(path)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = ": ".join(filter(None, (error.context, error.problem))) or "not YAML"
        hint = "indent with spaces, not tabs" if r"'\t'" in problem else "mend the YAML there"
        raise InventoryError(f"{place}: {problem}", hint) from None
    except RecursionError:
        raise InventoryError(f"{path}: nested too deeply", "see docs/inventory.md") from None
    except yaml.YAMLError as error:
        problem = str(error).partition("\n")[0]
        raise InventoryError(f"{path}: not YAML: {problem}", "is it the right file?") from None
    except ValueError as error:  # such as a date that does not exist
        raise InventoryError(f"{path}: not YAML: {error}", "quote the text that is meant") from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InventoryError(
            f"{path}: not UTF-8 (byte {error.start})", "save it as UTF-8"
        ) from None
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be read: {error.strerror}", "name another file: OPS_INVENTORY=path"
        ) from None
