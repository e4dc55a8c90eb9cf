"""Scripts that meet something in the way: objects of other shapes, or rows that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.sandbox.incidents import deploys
from ops.sandbox.incidents.model import Incident
from ops.sandbox.repository import CLASS_NAMES, TRANSPORT

if TYPE_CHECKING:
    from ops.sandbox.host import Host
    from ops.sandbox.process import Process

_OTHER_LABELS: Final = "CREATE TYPE transport_mode AS ENUM ('BUS', 'CAR', 'WALK')"
_RENAME_TWINS: Final = "UPDATE classes SET name = name || ' (2)' WHERE id > 30"
"""Of the 60 classes, each of the last 30 has school and name of one of the first 30."""


def _publish_class_names(host: Host, version: str) -> None:
    message = "No two classes of a school with one name"
    deploys.publish(host, CLASS_NAMES, version, message, "2026-03-18T10:15:00+00:00")


def _db_push_drift(host: Host, _seconds: float) -> dict[str, Process]:
    host.database.sql(TRANSPORT.script("pushed").read_text(), as_app=True)
    deploys.publish_transport(host)
    deploys.fail(host, 'relation "transport_stops" already exists')
    return {}


def _wrong_type_exists(host: Host, _seconds: float) -> dict[str, Process]:
    host.database.sql(_OTHER_LABELS, as_app=True)
    deploys.publish_transport(host)
    deploys.fail(host, 'type "transport_mode" already exists')
    message = "Make transport safe where the type exists"
    deploys.publish(host, TRANSPORT, "guarded", message, "2026-03-05T08:05:00+00:00")
    return {}


def _invalid_index(host: Host, _seconds: float) -> dict[str, Process]:
    # Outside of a transaction only: as one query the statement must be alone in its file.
    alone = host.mode.engine == "one-query"
    _publish_class_names(host, "concurrently" if alone else "after_a_column")
    # PostgreSQL's own words have the name too; the adapter's are others.
    deploys.fail(host, "classes_school_id_name_key")
    host.database.sql(_RENAME_TWINS, as_app=True)
    return {}


def _unique_violation(host: Host, _seconds: float) -> dict[str, Process]:
    _publish_class_names(host, "plain")
    return {}


INCIDENTS: Final = (
    Incident(
        "db-push-drift",
        f"Somebody ran `db push` with a draft of {TRANSPORT.name}: its table and one of its "
        "columns are there, with other shapes and with rows. It failed on the table (42P07).",
        "Refuse, exit 3: what is there is not what the script makes.",
        _db_push_drift,
        copied=True,
        migration=TRANSPORT.name,
    ),
    Incident(
        "wrong-type-exists",
        f"A type that {TRANSPORT.name} makes was made by hand with other labels, so it failed "
        "(P3018, 42710). origin/main has a script that steps over the type where it exists.",
        "Refuse, exit 3: the new script would pass, and leave the wrong type.",
        _wrong_type_exists,
        copied=True,
        migration=TRANSPORT.name,
    ),
    Incident(
        "invalid-index",
        f"CREATE UNIQUE INDEX CONCURRENTLY in {CLASS_NAMES.name} met duplicates and left an "
        "INVALID index. The duplicates are gone since; origin/main has the same script.",
        "Drop the invalid index and make it again: healthy, exit 0.",
        _invalid_index,
        copied=True,
        migration=CLASS_NAMES.name,
    ),
    Incident(
        "unique-violation",
        f"origin/main has a new migration, {CLASS_NAMES.name}; the host is behind. Production's "
        "rows hold duplicates, on which it will fail.",
        "Refuse, exit 3, before production is touched: it fails on a copy.",
        _unique_violation,
        migration=CLASS_NAMES.name,
    ),
)
