"""The inventory's JSON Schema and its reference for people, made from the types.

`python -m ops.reference` writes both files anew, in a checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from ops.inventory import (
    RESERVED,
    Environment,
    Host,
    PrismaCommand,
    Scratch,
    UrlSource,
    descriptions,
    schema_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: Final = Path(__file__).with_name("inventory.schema.json")
REFERENCE: Final = Path(__file__).parent.parent / "docs" / "inventory.md"

_HEAD: Final = """\
# inventory.yaml

The hosts that `fab ENVIRONMENT ACTION` works on. The file is looked for in the current directory
and above; `OPS_INVENTORY=path` names another one. `ops inventory check [FILE]` finds every mistake
without touching a host: one line with its place, and a hint. Editors check it too, with
`ops/inventory.schema.json`, which the file's first line names.

A key that is not listed here is refused. Paths on the host are absolute or start with `~/`, the
home directory of the user there. YAML is read plainly: a repeated key is an error, and only decimal
numbers are numbers (`022` is not).

A host needs no more than this:

    environments:
      prod:
        hosts: [{{host: app.example.com, user: deploy}}]
        repo: /opt/schooliat/repo
        app: Backend
        schema: src/prisma/db/schema.prisma
        database_url: {{env_file: /opt/schooliat/shared/.env, name: DATABASE_URL}}
        backups: /opt/schooliat/shared/backups

This page is made from the types in `ops/inventory.py`.

## environments

Names are typed on the command line: lower-case letters, digits, `_` and `-`, beginning with a
letter, at most 63 characters. Fabric reads `_` as `-`, so `prod_eu` and `prod-eu` cannot both
stand there. Names of actions are refused: {reserved}.
"""
_TITLES: Final[dict[type[msgspec.Struct], str]] = {
    Environment: "An environment",
    Host: "`hosts`: a machine",
    UrlSource: "`database_url`, `direct_url`, `url`: where a URL is found",
    PrismaCommand: "`prisma` in its long form",
    Scratch: "`scratch`: where a repair is tried first",
}
_WORDS: Final = {str: "text", int: "number", bool: "true or false"}


def inventory_reference() -> str:
    """Return docs/inventory.md."""
    names = ", ".join(f"`{name}`" for name in sorted(RESERVED))
    parts = [_HEAD.format(reserved=names)]
    for kind, title in _TITLES.items():
        parts += [f"## {title}", "", f"{kind.__doc__}", "", *_table(kind), ""]
    return "\n".join(parts).rstrip() + "\n"


def _table(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    types = get_type_hints(kind)
    about = descriptions()
    for field in msgspec.structs.fields(kind):
        cells = (f"`{field.name}`", _value(types[field.name]), _default(field), about[field.name])
        yield f"| {' | '.join(cells)} |"


def _value(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if get_origin(kind) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {_value(get_args(kind)[0])}"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "mapping, see below"
    return ", or ".join(_value(inner) for inner in get_args(kind) if inner is not type(None))


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None or value == [] or isinstance(value, msgspec.Struct):
        return ""
    return f"`{msgspec.json.encode(value).decode()}`" if isinstance(value, bool) else f"`{value}`"


def main() -> None:
    """Write both files."""
    SCHEMA.write_bytes(schema_json())
    REFERENCE.write_text(inventory_reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
