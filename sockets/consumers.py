"""Channels consumers for WebSockets: those of socket.io, and plain ones. For HTTP polling see ``polling``."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import redis
from channels.consumer import AsyncConsumer
from django.conf import settings

from core.api.request import address_of
from sockets import packets, protocol, sessions
from sockets.hub import LOOK_S, current_hub
from sockets.packets import BINARY, Packet, PacketError
from sockets.protocol import MAX_BODY, UPGRADE_WINDOW_MS, Peer

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
NORMAL, TOO_BIG, TRY_AGAIN = 1000, 1009, 1013
SEND_PATIENCE_S, CLOSE_PATIENCE_S = 20.0, 2.0
# A plain WebSocket sends no heartbeats, so the server cannot see whether its client is still there. It is closed after
# this time, and a live client reconnects.
PLAIN_LIFETIME_S = 3600


class Request:
    """The head of an HTTP request, or of a WebSocket's handshake."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.path: str = scope["path"]
        self.method: str = scope.get("method", "")
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.version = {"3": 3, "4": 4}.get(self.query.get("EIO", ""))  # of Engine.IO; None: one that is not supported
        self._peer = (scope.get("client") or ("",))[0]

    @property
    def address(self) -> str:
        """The client's address in the sandbox, "" elsewhere: only there a session is found by it."""
        return address_of(self._peer, self.headers.get("x-forwarded-for", "")) if settings.SANDBOX else ""

    @property
    def has_allowed_origin(self) -> bool:
        """Whether CORS_* allow the request's origin, or it is this server's own.

        One without ``Origin`` is allowed: browsers always send it with WebSockets and cross-origin requests.
        """
        origin, host = self.headers.get("origin"), self.headers.get("host")
        if not origin or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc.lower() == str(host).lower()
        except ValueError:
            return False


class Ended(Exception):
    """The WebSocket is over, or was never accepted."""


class SocketConsumer(AsyncConsumer):
    """A Channels consumer that reads its messages itself, in place of a handler for each.

    Channels' own loop closes old database connections at each message, and none of these uses the database.
    """

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.request, self._receive, self._send = Request(scope), receive, send
        self.hub = current_hub()
        await self.serve()

    async def serve(self) -> None:
        """Serve the client to the end."""
        raise NotImplementedError


class PlainConsumer(SocketConsumer):
    """A WebSocket, from its handshake to its end. One task reads what the client sends, another sends what waits.

    This one carries the events as JSON text ``{"event": ..., "data": ...}``, and ignores what the client sends.
    """

    sid = ""  # of the session that ends with this WebSocket
    pings_at = math.inf  # when to ask the client whether it is still there
    closes_at = math.inf  # when it counts as gone
    close_code: int | None = NORMAL  # None: the client has gone, or does not read

    async def serve(self) -> None:
        try:
            await self._receive()  # "websocket.connect"
            if not self.request.has_allowed_origin:
                raise Ended
            await self.open()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                await self.read()
        except* (Ended, PacketError, TimeoutError):
            pass
        except* redis.RedisError:
            self.close_code = TRY_AGAIN
        finally:
            if self.sid:
                with suppress(redis.RedisError):  # the session expires by itself
                    await self.hub.sessions.close(self.sid)
        if self.close_code is not None:
            with suppress(Exception):  # the client has gone, or does not read
                async with asyncio.timeout(CLOSE_PATIENCE_S):
                    await self._send({"type": "websocket.close", "code": self.close_code})

    async def open(self) -> None:
        """Accept the client and begin its session, or take over the one that it has.

        :raises Ended: it is refused.
        """
        self.sid = sessions.new_sid()
        self.closes_at = time.monotonic() + PLAIN_LIFETIME_S
        # It speaks no version of Engine.IO, but the session needs one for its time to live.
        peer = Peer(self.sid, 4, is_joined=True)
        await self.hub.sessions.open(peer, sessions.WEBSOCKET, self.request.address)
        await self.send("accept")
        await self.deliver([protocol.greeting(self.sid)])

    async def read(self) -> None:
        """React to what the client sends, until it ends."""
        while True:
            await self.frame()

    async def deliver(self, queue: list[str]) -> None:
        """Send packets to the client."""
        for packet in queue:
            event, data = packets.decode_event(packet)
            await self.send("send", text=orjson.dumps({"event": event, "data": data}).decode())

    async def _write(self) -> None:
        """Send what waits in Valkey, when the hub says so and every ``LOOK_S``, as long as the client is there."""
        with self.hub.bell(self.sid) as bell:
            while (now := time.monotonic()) < self.closes_at:
                with suppress(redis.RedisError):  # nothing is lost: the packets wait in Valkey
                    queue = await self.hub.sessions.take(self.sid)
                    if queue is None:
                        break  # Valkey has lost the session, by a restart without its data: the client reconnects
                    await self.deliver(queue)
                if now >= self.pings_at:
                    self.pings_at, self.closes_at = math.inf, now + protocol.PING_TIMEOUTS_MS[4] / 1000
                    await self.send("send", text=packets.PING)
                await bell.wait_for(LOOK_S)
        raise Ended

    async def frame(self) -> str | None:
        """Return the client's next frame; None if it is binary."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.close_code = None
            raise Ended
        text = message.get("text")
        if len(text or message.get("bytes") or b"") > MAX_BODY:
            self.close_code = TOO_BIG
            raise Ended
        return text

    async def send(self, kind: str, **message: Any) -> None:
        try:
            async with asyncio.timeout(SEND_PATIENCE_S):
                await self._send({"type": f"websocket.{kind}"} | message)
        except Exception:  # the client does not read, or has gone; each ASGI server raises its own exception then
            self.close_code = None
            raise Ended from None


class EngineConsumer(PlainConsumer):
    """A WebSocket of a socket.io client, either from the start or upgraded from polling."""

    peer: Peer

    async def open(self) -> None:
        query = self.request.query
        version, sid = self.request.version, query.get("sid", "")
        if version is None or query.get("transport") != "websocket":
            raise Ended
        if sid:
            await self._upgrade(sid, version)
        else:
            self.sid = sessions.new_sid()
            self.peer = Peer(self.sid, version)
            # Before the accept: while Valkey is away the handshake fails, and socket.io tries again at once. When
            # a WebSocket ends before its first packet, socket.io (2.3.0, 4.8.4) does not notice, and waits for 20 s.
            first = self.peer.open(upgrades=False)
            await self.hub.sessions.open(self.peer, sessions.WEBSOCKET, self.request.address)
            await self.send("accept")
            await self.deliver(first)
        self._see()

    async def _upgrade(self, sid: str, version: int) -> None:
        """Take over the session of a polling client: ``2probe`` is answered by ``3probe``, then ``5`` completes it."""
        if not (sessions.is_sid(sid) and await self.hub.sessions.probe(sid, version, UPGRADE_WINDOW_MS)):
            raise Ended
        try:
            await self.send("accept")
            async with asyncio.timeout(UPGRADE_WINDOW_MS / 1000):
                while (packet := await self._packet()).kind != packets.UPGRADE:
                    if packet != Packet(packets.PING, "probe"):
                        raise PacketError("neither probe nor upgrade")
                    await self.send("send", text=packets.PONG + "probe")
            peer = await self.hub.sessions.upgrade(sid, version)
        finally:
            await self.hub.sessions.probe_end(sid)
        if peer is None:
            raise Ended
        self.sid, self.peer = sid, peer

    async def read(self) -> None:
        while not self.peer.has_left:
            packet, was_joined = await self._packet(), self.peer.is_joined
            replies = self.peer.receive(packet)
            has_joined = self.peer.is_joined and not was_joined
            # Every packet of an Engine.IO 3 client proves that it is there; in version 4 only a pong prolongs the
            # session.
            if self.peer.version == 3 or packet.kind == packets.PONG or has_joined:
                self._see()
            if self.peer.is_joined != was_joined:
                await self.hub.sessions.mark_joined(self.sid, self.peer.is_joined)
            await self.deliver(replies)
        raise Ended

    async def deliver(self, queue: list[str]) -> None:
        for packet in queue:
            await self.send("send", text=packet)

    async def _packet(self) -> Packet:
        frame = await self.frame()
        return BINARY if frame is None else packets.decode_text(frame)

    def _see(self) -> None:
        """Note that the client has given a sign of life."""
        now = time.monotonic()
        self.closes_at = now + protocol.lifetime_ms(self.peer.version) / 1000
        # In Engine.IO 3 the client sends the pings. In version 4 the server does, once the client has joined.
        if self.peer.version == 4 and self.peer.is_joined:
            self.pings_at = now + protocol.PING_INTERVAL_MS / 1000
