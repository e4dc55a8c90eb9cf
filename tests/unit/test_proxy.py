"""The proxy that tests of broken links stand on."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.proxy import CutProxy, _Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Echo:
    """A server that sends back what it gets, and remembers how each connection ended."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.received = 0
        self.ends: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed below
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    self.received += len(data)
                    connection.sendall(data)
                self.ends.append("closed")
            except ConnectionResetError:
                self.ends.append("reset")
            except BrokenPipeError:
                self.ends.append("broken")

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[CutProxy]:
    with CutProxy(echo.port) as proxy:
        yield proxy


@contextmanager
def client(proxy: CutProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := connection.recv(min(65536, size - len(data)))):
        data += chunk
    return data


def read_all(connection: socket.socket) -> bytes:
    return read(connection, 1 << 40)


def is_silent(connection: socket.socket, seconds: float = 0.3) -> bool:
    connection.settimeout(seconds)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    else:
        return False
    finally:
        connection.settimeout(10)


def wait_until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_bytes_pass_both_ways_and_an_end_on_one_side_is_half_a_close(proxy: CutProxy) -> None:
    data = os.urandom(3_000_000)
    with client(proxy) as connection:

        def feed() -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=feed)
        thread.start()
        assert read_all(connection) == data
        thread.join()
    assert (proxy.passed("to_server"), proxy.passed("to_client")) == (len(data), len(data))
    assert wait_until(lambda: proxy.open_connections == 0)


def test_connections_are_counted(proxy: CutProxy) -> None:
    assert proxy.connections == 0
    with client(proxy) as first, client(proxy) as second:
        for connection in (first, second):
            connection.sendall(b"x")
            assert read(connection, 1) == b"x"
        assert (proxy.connections, proxy.open_connections) == (2, 2)
    assert wait_until(lambda: proxy.open_connections == 0)
    assert proxy.connections == 2


def test_a_frozen_link_passes_nothing_and_goes_on_where_it_was(proxy: CutProxy, echo: Echo) -> None:
    with client(proxy) as connection:
        connection.sendall(b"before")
        assert read(connection, 6) == b"before"
        proxy.freeze()
        connection.sendall(b"meanwhile")
        assert is_silent(connection)
        assert echo.received == 6
        proxy.thaw()
        assert read(connection, 9) == b"meanwhile"
        assert echo.ends == []


def test_freezing_stops_a_stream_at_once(proxy: CutProxy) -> None:
    with client(proxy) as connection:
        stop = threading.Event()

        def feed() -> None:
            while not stop.is_set():
                connection.sendall(b"x" * 10_000)

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        assert read(connection, 100_000)
        proxy.freeze()
        passed = proxy.passed("to_server"), proxy.passed("to_client")
        time.sleep(0.3)
        assert (proxy.passed("to_server"), proxy.passed("to_client")) == passed
        stop.set()
        proxy.thaw()
        assert wait_until(lambda: bool(connection.recv(1 << 20)) and not thread.is_alive())


def test_freezing_stops_a_chunk_that_is_half_sent() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        CutProxy(listener.getsockname()[1]) as proxy,
        client(proxy) as connection,
    ):
        server, _ = listener.accept()
        with server:
            # The client reads nothing: buffers fill until a chunk stands half sent.
            server.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while True:
                    server.send(b"x" * 65536)
            proxy.freeze()
            passed = proxy.passed("to_client")
            assert read(connection, passed)
            assert is_silent(connection)
            assert proxy.passed("to_client") == passed
            proxy.thaw()
            assert read(connection, 100_000)


def test_a_frozen_proxy_accepts_and_stays_silent(proxy: CutProxy) -> None:
    proxy.freeze()
    with client(proxy) as connection:
        connection.sendall(b"hello")
        assert is_silent(connection)
        assert proxy.connections == 1
        proxy.thaw()
        assert read(connection, 5) == b"hello"


def test_a_close_on_a_frozen_link_arrives_after_the_thaw(proxy: CutProxy, echo: Echo) -> None:
    with client(proxy) as connection:
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.freeze()
    time.sleep(0.2)
    assert echo.ends == []
    proxy.thaw()
    assert wait_until(lambda: echo.ends == ["closed"])


def test_a_cut_closes_both_ends_and_new_connections_work(proxy: CutProxy, echo: Echo) -> None:
    with client(proxy) as connection:
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.cut()
        assert connection.recv(1) == b""
        assert wait_until(lambda: echo.ends == ["closed"])
        assert proxy.open_connections == 0
    with client(proxy) as connection:
        connection.sendall(b"again")
        assert read(connection, 5) == b"again"


def test_a_frozen_link_can_be_cut(proxy: CutProxy, echo: Echo) -> None:
    with client(proxy) as connection:
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.freeze()
        connection.sendall(b"lost")
        proxy.cut()
        assert connection.recv(1) == b""
    assert wait_until(lambda: echo.ends == ["closed"])
    assert echo.received == 1


def test_a_cut_is_no_reset_even_with_bytes_unread(proxy: CutProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = []
        for _ in range(2):
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
            near.setblocking(False)
            ends.append((far, near))
        for far, near in ends:
            far.sendall(b"nobody reads this")
            near.sendall(b"read this")
    time.sleep(0.05)
    _Link(proxy, ends[0][1], ends[1][1])._close(reset=False)
    for far, _ in ends:
        with far:
            assert read_all(far) == b"read this"


def test_a_reset_is_seen_at_both_ends(proxy: CutProxy, echo: Echo) -> None:
    with client(proxy) as connection:
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert wait_until(lambda: echo.ends == ["reset"])


@pytest.mark.parametrize("size", [0, 1, 70_000, 999_999])
def test_the_way_to_the_client_is_cut_at_the_byte(proxy: CutProxy, echo: Echo, size: int) -> None:
    data = os.urandom(1_000_000)
    with client(proxy) as connection:
        connection.sendall(b"warm")
        assert read(connection, 4) == b"warm"
        proxy.cut_after(size, "to_client")
        feeder = threading.Thread(target=_send_until_cut, args=(connection, data))
        feeder.start()
        assert read_all(connection) == data[:size]
        feeder.join()
    assert wait_until(lambda: len(echo.ends) == 1)


def _send_until_cut(connection: socket.socket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        return


@pytest.mark.parametrize("size", [1, 70_000])
def test_the_way_to_the_server_is_cut_at_the_byte(proxy: CutProxy, echo: Echo, size: int) -> None:
    proxy.cut_after(size, "to_server")
    with client(proxy) as connection:
        _send_until_cut(connection, b"x" * 200_000)
        assert wait_until(lambda: len(echo.ends) == 1)
    assert echo.received == size


def test_a_cut_at_a_byte_happens_once(proxy: CutProxy) -> None:
    proxy.cut_after(3, "to_client")
    with client(proxy) as connection:
        connection.sendall(b"12345")
        assert read_all(connection) == b"123"
    with client(proxy) as connection:
        connection.sendall(b"12345")
        assert read(connection, 5) == b"12345"


def test_a_delay_is_paid_each_way_and_costs_no_throughput(proxy: CutProxy) -> None:
    with client(proxy) as connection:
        proxy.delay = 0.1
        began = time.monotonic()
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        assert 0.2 <= time.monotonic() - began < 0.5
        data = os.urandom(5_000_000)
        began = time.monotonic()
        feeder = threading.Thread(target=connection.sendall, args=(data,))
        feeder.start()
        assert read(connection, len(data)) == data
        feeder.join()
        # 64 KiB per delay would take more than seven seconds.
        assert time.monotonic() - began < 3


def test_a_server_that_resets_resets_the_client() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        CutProxy(listener.getsockname()[1]) as proxy,
        client(proxy) as connection,
    ):
        server, _ = listener.accept()
        connection.sendall(b"unread")
        assert wait_until(lambda: proxy.passed("to_server") == 6)
        time.sleep(0.1)
        server.close()  # with bytes unread: that is a reset
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_nobody_behind_the_proxy_is_a_closed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with CutProxy(port) as proxy, client(proxy) as connection:
        assert connection.recv(1) == b""
        assert (proxy.connections, proxy.open_connections) == (1, 0)


def test_leaving_the_block_closes_everything(echo: Echo) -> None:
    with CutProxy(echo.port) as proxy:
        connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        proxy.freeze()
    with connection:
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    assert not proxy._thread.is_alive()
