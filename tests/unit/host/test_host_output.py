"""The way of remote output to screen and log: prefix, characters, secrets, memory."""

from __future__ import annotations

import io
import random
import re
import subprocess
import sys
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.host.output import Output
from ops.secrets import Redactor, Secret

TEXT: Final = "zwölf 12 €\n記録 𝄞𝄞\n\n  s3cret-ü tail\r\nlast ☃ without end".encode()
WANTED: Final = TEXT.replace("s3cret-ü".encode(), b"***")


class Screen(io.BytesIO):
    """Remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.writes.append(bytes(data))
        return super().write(data)


def pass_through(blocks: list[bytes]) -> tuple[Screen, bytes]:
    screen, log = Screen(), io.BytesIO()
    output = Output(Redactor([Secret("s3cret-ü")]), "prod | ", screen, log)
    for block in blocks:
        output.feed(block)
    output.finish()
    return screen, log.getvalue()


def prefixed(data: bytes) -> bytes:
    """What the screen shows: prefixes, and nothing that a terminal would obey."""
    data = re.sub(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", b"?", data.replace(b"\r\n", b"\n"))
    return b"".join(b"prod | " + line + b"\n" for line in data.split(b"\n"))


def test_a_terminal_is_not_driven_and_the_log_is_whole() -> None:
    data = b"\x1b[2Jgone\rhere \xc2\x9b31m red\x07\ttab\r\n"
    screen, log = pass_through([data])
    assert screen.getvalue() == b"prod | ?[2Jgone?here ?31m red?\ttab\n"
    assert log == data


@pytest.mark.parametrize("cut", range(len(TEXT) + 1))
def test_a_cut_at_any_byte_changes_nothing(cut: int) -> None:
    screen, log = pass_through([TEXT[:cut], TEXT[cut:]])
    assert log == WANTED
    assert screen.getvalue() == prefixed(WANTED)


def test_byte_by_byte_each_write_is_of_whole_lines() -> None:
    screen, log = pass_through([TEXT[i : i + 1] for i in range(len(TEXT))])
    assert log == WANTED
    whole, last = screen.writes[:-2], screen.writes[-2:]
    assert all(write.startswith(b"prod | ") and write.endswith(b"\n") for write in whole)
    assert last == [b"prod | last \xe2\x98\x83 without end", b"\n"]
    for write in whole:
        write.decode()  # no character is cut


@given(st.lists(st.binary(max_size=40), max_size=20))
@example([b"://", b":\0@"])
def test_any_bytes_are_logged_exactly_but_for_what_is_redacted(blocks: list[bytes]) -> None:
    data = Redactor().line(b"".join(blocks))
    screen, log = pass_through(blocks)
    assert log == data
    body = data.replace(b"\r\n", b"\n").removesuffix(b"\n")
    assert screen.getvalue() == (prefixed(body) if data else b"")


def test_a_line_longer_than_what_is_held_back_comes_whole_with_one_prefix() -> None:
    data = b"x" * 200_000 + b"s3cret-\xc3\xbc" + b"y" * 200_000 + b"\nnext\n"
    for size in (1000, 65536, len(data)):
        screen, log = pass_through([data[i : i + size] for i in range(0, len(data), size)])
        assert log == data.replace(b"s3cret-\xc3\xbc", b"***")
        assert screen.getvalue() == prefixed(log[:-1])


def test_there_need_be_no_screen_and_no_log() -> None:
    output = Output(Redactor(), "p | ", None, None)
    output.feed(b"a\nb")
    output.finish()
    log = io.BytesIO()
    unseen = Output(Redactor(), "p | ", None, log)
    unseen.feed(b"a\nb")
    unseen.finish()
    assert log.getvalue() == b"a\nb"


PROBE: Final = """
import resource, sys
from ops.host.output import Output
from ops.secrets import Redactor, Secret
null = open("/dev/null", "wb")
output = Output(Redactor([Secret("hunter22")]), "prod | ", null, null)
block = {block}
output.feed(block)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(50 * 1024 * 1024 // len(block)):
    output.feed(block)
output.finish()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "block", ["b'y\\n' * 32768", "b'x' * 65536", "random.randbytes(65536)"], ids=str
)
def test_fifty_megabytes_need_no_more_memory_than_one_block(block: str) -> None:
    probe = PROBE.replace("import resource", "import random, resource").format(block=block)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True)
    grown = int(done.stdout)
    grown //= 1024 if sys.platform == "darwin" else 1
    assert grown < 4096, f"{grown} KiB"


def test_random_cuts_of_random_lines_lose_nothing() -> None:
    chance = random.Random(7)
    data = b"".join(chance.randbytes(chance.randrange(3000)) + b"\n" for _ in range(300))
    blocks = []
    rest = data
    while rest:
        size = chance.randrange(1, 70_000)
        blocks.append(rest[:size])
        rest = rest[size:]
    screen, log = pass_through(blocks)
    assert log == data
    assert screen.getvalue() == prefixed(data[:-1])
