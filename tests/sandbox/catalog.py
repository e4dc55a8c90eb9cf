"""What is in the catalog, and what would be after each statement of a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ops.sandbox import Sandbox

Catalog = frozenset[str]
"""A line for each thing that the smaller migrations can change."""

_LINES = """
SELECT 'type ' || t.typname || ' ' || string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
  FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname
UNION ALL
SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
       || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
   AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT CASE WHEN indisvalid THEN '' ELSE 'INVALID ' END
       || CASE WHEN indisready THEN '' ELSE 'not ready ' END || pg_get_indexdef(indexrelid)
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid
 WHERE c.relnamespace = 'public'::regnamespace
"""


def catalog(box: Sandbox) -> Catalog:
    """What is there now."""
    return frozenset(str(line) for (line,) in box.sql(_LINES))


def statements_of(script: str) -> list[str]:
    """The statements of a script that has no semicolon but those after them."""
    return [part for part in re.sub(r"(?m)^--.*\n", "", script).split(";\n") if part.strip()]


def prefixes(box: Sandbox, script: str) -> list[Catalog]:
    """The catalogs after no statement, after the first, ..., after all. Changes nothing."""
    look = "SELECT {}, line FROM (" + _LINES + ") AS lines (line)"
    # Rows are not in the catalog: the classes may become unique for the index.
    steps = ["BEGIN", "UPDATE classes SET name = name || ' ' || id", look.format(0)]
    statements = statements_of(script)
    for number, statement in enumerate(statements, 1):
        # In a transaction an index cannot be made concurrently; it is the same index.
        steps += [statement.replace(" CONCURRENTLY", ""), look.format(number)]
    rows = box.sql(";\n".join([*steps, "ROLLBACK;"]))
    return [
        frozenset(str(line) for at, line in rows if at == str(number))
        for number in range(len(statements) + 1)
    ]
