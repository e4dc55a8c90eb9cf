"""A canary for a password, and everything searched for it during and after a whole recovery."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.e2e.conftest import Operator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CANARY = "k@n:a/r%y'\"$x\\ z"
SPELLINGS = {
    CANARY,
    quote(CANARY, safe=""),
    quote(CANARY),
    quote_plus(CANARY),
    quote(CANARY, safe="").lower(),
    json.dumps(CANARY)[1:-1],
    CANARY.replace("\\", "\\\\"),
}


def is_prisma_engine(arguments: list[str]) -> bool:
    """The one exception: Prisma's CLI puts the URL into the arguments of its own engine."""
    engine = re.compile(r"schema-engine|/engine-[0-9a-f]+/main\.cjs")
    return any(engine.search(word) for word in arguments[:3])


@contextmanager
def watched_processes() -> Iterator[dict[str, bool]]:
    """Look at the arguments of all processes, as fast as it goes; yields what was found."""
    found: dict[str, bool] = {}
    stop = threading.Event()
    seen_engine = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for process in Path("/proc").iterdir():
                if not process.name.isdigit():
                    continue
                try:
                    words = (process / "cmdline").read_text(errors="replace").split("\0")
                except OSError:  # it has ended in the meantime
                    continue
                text = "\0".join(words)
                if any(spelling in text for spelling in SPELLINGS):
                    found[text] = is_prisma_engine(words)
                    seen_engine.set()
            time.sleep(0.002)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        stop.set()
        watcher.join()


@pytest.mark.parametrize("prisma", [6, 7])
def test_the_password_is_nowhere(operator: Callable[..., Operator], prisma: int) -> None:
    someone = operator("p3018-type-exists", prisma=prisma, password=CANARY)
    with watched_processes() as processes:
        shown = [
            someone.fab("status"),
            someone.fab("recover", "--dry-run"),
            someone.fab("recover", "--yes"),
            someone.ops("status", "--json"),
            someone.ops("doctor", "--json"),
            someone.fab("backup"),
            someone.fab("runs"),
            someone.fab("attach"),
            someone._type("fab", "-d", "sandbox", "status", timeout=60),
        ]
    assert [typed.code for typed in shown] == [0 if n else 3 for n in range(len(shown))], shown
    assert someone.has_table("library_books"), "and everything still works"
    for typed in shown:
        assert_clean(f"{typed.out}\n{typed.err}", "what was shown")
    assert all(processes.values()), [text for text, allowed in processes.items() if not allowed]
    assert processes, "the engine was seen, so the watch works"
    for directory in (someone.home, someone.box.repo, someone.box.backups):
        for file in directory.rglob("*"):
            if file.is_file() and "node_modules" not in file.parts:
                assert_clean(file.read_bytes().decode(errors="replace"), str(file))


@pytest.mark.parametrize(
    "wrong", ["no-such-user", "no-such-database"], ids=["login refused", "database missing"]
)
def test_errors_do_not_show_it(operator: Callable[..., Operator], wrong: str) -> None:
    someone = operator("healthy", password=CANARY)
    line = someone.box.env_file.read_text()
    changed = (
        line.replace("/schooliat", f"/{wrong}")
        if "database" in wrong
        else line.replace("//schooliat:", f"//{wrong}:")
    )
    assert changed != line
    someone.box.env_file.write_text(changed)
    for typed in (someone.fab("status"), someone.ops("recover", "--json", "--yes")):
        assert typed.code == 6, typed
        assert_clean(typed.out + typed.err, "an error")
        assert "Traceback" not in typed.err
        assert typed.err.startswith("error: ")


def assert_clean(text: str, where: str) -> None:
    for spelling in SPELLINGS:
        assert spelling not in text, f"{where} holds the password as {spelling!r}"
