"""A backup counts only when it is whole: what a broken pg_dump leaves behind is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.e2e.conftest import Operator
from tests.e2e.test_incidents import FAILED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
Begin = Callable[..., Operator]

FIND_PART = "for part; do case $part in *.part) break ;; esac; done\n"


def replace_pg_dump(someone: Operator, then: str) -> None:
    """Put a pg_dump on the host that does its work and then something to the file `$part`.

    Only where it writes a file: copies are made through a pipe.
    """
    program = someone.box.home / "bin/pg_dump"
    real = program.rename(program.with_name("pg_dump.real"))
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *" -f "*) ;; *) exec "{real}" "$@" ;; esac\n'
        f'{FIND_PART}"{real}" "$@" || exit\n{then}\n'
    )
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ('head -c 100000 "$part" >"$part.x"; mv "$part.x" "$part"', "does not end as a dump"),
        ('size=$(wc -c <"$part"); head -c $((size - 200)) "$part" >"$part.x"; mv "$part.x" "$part"',
         "does not end as a dump"),
        (': >"$part"', "does not begin as a dump"),
        ("sed -i '/^.unrestrict/d' \"$part\"", "the \\unrestrict line is missing"),
        ("sed -i 's/^.unrestrict .*/\\\\unrestrict another/' \"$part\"", "the \\unrestrict line"),
        ("exit 1", "pg_dump failed with exit code 1"),
        ('rm "$part"', "does not begin as a dump"),
    ],
    ids=["half", "tail", "empty", "no token", "wrong token", "exit code", "gone"],
)  # fmt: skip
def test_a_dump_that_is_not_whole_stops_the_recovery(operator: Begin, then: str, said: str) -> None:
    someone = operator("p3018-type-exists")
    replace_pg_dump(someone, then)
    before = someone.dump_with("pg_dump.real")
    stopped = someone.fab("recover", "--yes")
    assert stopped.code == 6, stopped
    assert said in stopped.err
    assert someone.dump_with("pg_dump.real") == before
    assert someone.ledger() == [FAILED]
    assert not list(someone.box.backups.iterdir()), "no part, no file that looks like a backup"


def test_size_and_rate_are_shown_while_it_runs(operator: Begin) -> None:
    someone = operator("healthy")
    replace_pg_dump(someone, "sleep 5")
    taken = someone.ops("backup", "--json")
    assert taken.code == 0, taken
    progress = [line for line in taken.err.splitlines() if "KiB written, " in line]
    assert progress
    assert all(line.endswith("KiB/s") for line in progress)
    assert json.loads(taken.out)["backup"]
