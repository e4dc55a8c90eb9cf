"""Scratch databases on a server that is at work by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from bench.ground import SETTINGS, ground
from ops.proof import psql as psql_module
from ops.proof.diagnosis import _arrived
from ops.proof.rehearsal import NotProved
from ops.proof.scratch import NoScratch, scratch
from ops.sandbox.postgres import Cluster

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mock import MockerFixture

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


def test_a_connection_that_leads_elsewhere_is_refused(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    """A pooler that forces a database name: nothing is run there."""
    with ground(tmp_path) as place, scratch(place.server, "elsewhere") as made:
        name = made.create("shadow")
        real = psql_module.connect

        def led_astray(host: Any, variables: Any, *rest: Any) -> Any:
            return real(host, {**variables, "PGDATABASE": "template1"}, *rest)

        mocker.patch("ops.proof.scratch.connect", led_astray)
        with (
            pytest.raises(NoScratch, match="led to another database"),
            made.connect(name, SETTINGS),
        ):
            pytest.fail("it must not be used")


def test_rows_that_did_not_arrive_prove_nothing(tmp_path: Path) -> None:
    with ground(tmp_path) as place, scratch(place.server, "rows") as made:
        names = [made.create("one"), made.create("two")]
        with made.connect(names[0]) as production, made.connect(names[1]) as copy:
            for psql in (production, copy):
                psql.ask('CREATE TABLE "T t" (n int); CREATE TABLE empty (n int)', "making tables")
            production.ask('INSERT INTO "T t" VALUES (1)', "making a row")
            tables = ['public."T t"', "public.empty"]
            with pytest.raises(NotProved, match="cannot be put into a copy"):
                _arrived(production, copy, tables)
            copy.ask('INSERT INTO "T t" VALUES (1)', "making a row")
            _arrived(production, copy, tables)
