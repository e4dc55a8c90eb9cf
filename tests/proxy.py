"""A TCP proxy whose link tests can freeze, cut, reset and slow down.

    with CutProxy(server_port) as proxy:
        connect(proxy.port)
        proxy.freeze()

It stands between a client and a server on the loopback, and runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

Direction = Literal["to_server", "to_client"]

CHUNK: Final = 65536
_QUEUED_CHUNKS: Final = 64
_ANSWER_WITHIN: Final = 10.0
_T = TypeVar("_T")
_Queue: TypeAlias = "asyncio.Queue[tuple[float, bytes | OSError]]"
"""What was read, and when it is due; an empty chunk or an error is the end of that direction."""


class CutProxy:
    """Forwards connections to a port of the loopback until told to do worse.

    Every method is safe to call from any thread, and has taken effect when it returns.

    Args:
        target_port: Where the real server listens on 127.0.0.1.

    Attributes:
        port: Where clients connect to on 127.0.0.1, once the `with` block has begun.
        delay: Seconds that each byte is late, in each direction. It costs no throughput.
    """

    def __init__(self, target_port: int) -> None:
        self.delay = 0.0
        self._target_port = target_port
        self.port = 0
        self._connections = 0
        self._passed: dict[Direction, int] = {"to_server": 0, "to_client": 0}
        self._cut_at: dict[Direction, int | None] = {"to_server": None, "to_client": None}
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="cut-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._thread.start()
        self._ask(self._set_up)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ask(self._tear_down)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_WITHIN)
        self._loop.close()

    # ------------------------------------------------------------------ for tests

    @property
    def connections(self) -> int:
        """How many clients have connected so far."""
        return self._connections

    @property
    def open_connections(self) -> int:
        """How many connections stand now."""
        return len(self._links)

    def passed(self, direction: Direction) -> int:
        """Return how many bytes have been handed on, over all connections."""
        return self._passed[direction]

    def freeze(self) -> None:
        """Let no byte pass either way. Connections stay, and new ones are accepted."""

        async def do() -> None:
            self._flowing.clear()

        self._ask(do)

    def thaw(self) -> None:
        """Let everything pass again, what came in meanwhile first."""

        async def do() -> None:
            self._flowing.set()

        self._ask(do)

    def cut(self) -> None:
        """Close every connection at both ends. New ones are accepted."""
        self._ask(self._cut_all)

    def reset(self) -> None:
        """End every connection at both ends with a TCP RST. New ones are accepted."""

        async def do() -> None:
            await self._end_all(reset=True)

        self._ask(do)

    def cut_after(self, n_bytes: int, direction: Direction) -> None:
        """Close every connection after exactly so many more bytes in one direction.

        The bytes of all connections count. Afterwards the proxy forwards as before.
        """

        async def do() -> None:
            self._cut_at[direction] = self._passed[direction] + n_bytes

        self._ask(do)

    # ------------------------------------------------------------------ in its own thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _ask(self, do: Callable[[], Coroutine[None, None, _T]]) -> _T:
        future = asyncio.run_coroutine_threadsafe(do(), self._loop)
        return future.result(_ANSWER_WITHIN)

    async def _set_up(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._accepting = asyncio.create_task(self._accept())

    async def _tear_down(self) -> None:
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.close()
        await self._cut_all()

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            self._connections += 1
            server = socket.socket()
            server.setblocking(False)
            try:
                await self._loop.sock_connect(server, ("127.0.0.1", self._target_port))
            except OSError:
                # What a client sees when nobody listens behind a forwarder.
                server.close()
                client.close()
                continue
            link = _Link(self, client, server)
            self._links.add(link)
            link.start()

    async def _cut_all(self) -> None:
        await self._end_all(reset=False)

    async def _end_all(self, *, reset: bool) -> None:
        links = list(self._links)
        await asyncio.gather(*(link.end(reset=reset) for link in links))
        self._links.difference_update(links)

    async def _send(self, sink: socket.socket, data: bytes, direction: Direction) -> None:
        """Send while the link flows; cut every connection at the byte where that was asked for."""
        while data:
            await self._flowing.wait()
            limit = self._cut_at[direction]
            allowed = len(data) if limit is None else limit - self._passed[direction]
            try:
                sent = sink.send(data[:allowed]) if allowed else 0
            except BlockingIOError:
                await self._writable(sink)
                continue
            self._passed[direction] += sent
            data = data[sent:]
            if limit is not None and self._passed[direction] >= limit:
                self._cut_at[direction] = None
                # A task of its own, because it ends this one too.
                self._cutting = self._loop.create_task(self._cut_all())
                await self._loop.create_future()

    async def _writable(self, sink: socket.socket) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(sink, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(sink)


class _Link:
    """One connection: two sockets, and for each direction a reader, a queue and a writer."""

    def __init__(self, proxy: CutProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._ends = (client, server)
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False
        self._broken = False
        for end in self._ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        client, server = self._ends
        self._tasks = [
            asyncio.create_task(self._carry(client, server, "to_server")),
            asyncio.create_task(self._carry(server, client, "to_client")),
        ]
        for task in self._tasks:
            task.add_done_callback(self._carried)

    async def end(self, *, reset: bool) -> None:
        self._ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close(reset=reset)

    def _carried(self, task: asyncio.Task[None]) -> None:
        if self._ending:
            return
        if not task.cancelled() and task.exception():
            # One end is broken, so the other is broken too, as it would be without a proxy.
            self._broken = True
            for other in self._tasks:
                other.cancel()
        if all(each.done() for each in self._tasks):
            self._close(reset=self._broken)
            self._proxy._links.discard(self)

    def _close(self, *, reset: bool) -> None:
        for end in self._ends:
            # The far end may have closed it already.
            with contextlib.suppress(OSError):
                if reset:
                    # Closing with a linger time of zero sends RST.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    # First the end of the stream: a mere close with bytes unread is a reset.
                    end.shutdown(socket.SHUT_WR)
            end.close()

    async def _carry(
        self, source: socket.socket, sink: socket.socket, direction: Direction
    ) -> None:
        queue: _Queue = asyncio.Queue(_QUEUED_CHUNKS)
        reading = asyncio.create_task(self._read(source, queue))
        try:
            await self._write(queue, sink, direction)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, source: socket.socket, queue: _Queue) -> None:
        loop = self._proxy._loop
        data: bytes | OSError = b"more"
        while isinstance(data, bytes) and data:
            try:
                data = await loop.sock_recv(source, CHUNK)
            except OSError as error:
                data = error
            await queue.put((loop.time() + self._proxy.delay, data))

    async def _write(self, queue: _Queue, sink: socket.socket, direction: Direction) -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - self._proxy._loop.time()))
            await self._proxy._flowing.wait()
            if isinstance(data, OSError):
                raise data
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            await self._proxy._send(sink, data, direction)
