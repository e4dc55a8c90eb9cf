"""Scratch databases on a server that is at work by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.ground import SETTINGS, ground
from ops.proof.scratch import scratch
from ops.sandbox.postgres import Cluster

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EAGER = {
    "autovacuum_naptime": "1s",
    "autovacuum_vacuum_threshold": "1",
    "autovacuum_analyze_threshold": "1",
    "autovacuum_vacuum_cost_limit": "1",
    "autovacuum_vacuum_cost_delay": "100ms",
}
"""Autovacuum comes at once, and stays long."""
OTHERS = (
    "SELECT count(*) FROM pg_catalog.pg_stat_activity "
    "WHERE datname = '{}' AND pid <> pg_catalog.pg_backend_pid()"
)


def test_autovacuum_does_not_keep_a_scratch_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Cluster.create

    def create_eager(cluster: Cluster) -> None:
        create(cluster)
        with (cluster.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in EAGER.items())

    monkeypatch.setattr(Cluster, "create", create_eager)
    with ground(tmp_path) as place, scratch(place.server, "vacuum") as made:
        name = made.create("busy")
        with made.connect(name, SETTINGS) as psql:
            psql.ask("CREATE TABLE t AS SELECT generate_series(1, 100000) AS n", "making rows")
            psql.ask("DELETE FROM t WHERE n % 2 = 0", "making work")
        deadline = time.monotonic() + 60
        while made.admin.ask(OTHERS.format(name), "asking who is there") == ("0",):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        made.drop(name)
        left = f"SELECT count(*) FROM pg_catalog.pg_database WHERE datname = '{name}'"
        assert made.admin.ask(left, "asking what is left") == ("0",)
