"""Channels consumers for WebSockets: those of socket.io, and plain ones. For HTTP polling see ``polling``."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import redis
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from core.api.request import address_of
from sockets import packets, sessions
from sockets.hub import LOOK_S, Hub, current_hub
from sockets.packets import Packet, PacketError
from sockets.protocol import MAX_BODY, UPGRADE_WINDOW_MS, Peer, open_packet, timing

Greeting = Callable[[str], tuple[str, Any]]
NORMAL, TOO_BIG, TRY_AGAIN = 1000, 1009, 1013
SEND_PATIENCE_S, CLOSE_PATIENCE_S = 20.0, 2.0
# A plain WebSocket sends no heartbeats, so the server cannot see whether its client is still there. It is closed after
# this time, and a live client reconnects.
PLAIN_LIFETIME_S = 3600


class SocketConsumer(AsyncConsumer):
    """A Channels consumer without a channel of its own; the hub receives for the whole process.

    Channels' own loop closes old database connections at each message, and none of these uses the database. It would
    also cancel a waiting ``receive`` of the layer at the end of each socket, which redis-py may swallow (see ``hub``).
    """

    def __init__(self, greeting: Greeting) -> None:
        self.greeting = greeting  # sid -> event and data of the first event that a client gets

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        self.scope, self.base_receive, self.base_send = scope, receive, send
        self.hub: Hub = await current_hub()
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        except redis.RedisError:
            await self.give_up()
        finally:
            await self.tidy_up()

    async def dispatch(self, message: dict[str, Any]) -> None:
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def give_up(self) -> None:
        """End the connection because Valkey does not answer."""

    async def tidy_up(self) -> None:
        """Release everything; called last in every case."""

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), "")

    def address(self) -> str:
        """Return the client's address in the sandbox, "" elsewhere: only there a session is found by it."""
        if not settings.SANDBOX:
            return ""
        peer = self.scope.get("client") or ("",)
        return address_of(peer[0], self.header(b"x-forwarded-for"))

    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def has_allowed_origin(self) -> bool:
        """Tell whether CORS_* allow the request's origin, or it is this server's own.

        One without ``Origin`` is allowed: browsers always send it with WebSockets and cross-origin requests.
        """
        origin, host = self.header(b"origin"), self.header(b"host")
        if not origin or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False

    def join(self, peer: Peer, sid: str) -> list[str]:
        """Let a client enter the namespace ``/``; return the packets that tell it so and greet it."""
        return [peer.join(sid), packets.encode_event(*self.greeting(sid))]

    async def begin(self, sid: str, peer: Peer, transport: str) -> list[str]:
        """Create a session of socket.io; return its first packets."""
        first = [open_packet(sid, peer.version, upgrades=transport == sessions.POLLING)]
        if peer.version == 3:
            first += self.join(peer, sid)
        await self.hub.sessions.open(sid, transport, peer, self.address())
        return first


class WebsocketConsumer(SocketConsumer):
    """What both kinds of WebSocket share: sending, closing, and removing the session at the end."""

    sid = ""
    pings_at = math.inf  # when to ask the client whether it is still there
    closes_at = math.inf  # when it counts as gone
    is_probing = False  # during an upgrade of socket.io, when the session still belongs to the polling transport
    is_closed = False
    is_abandoned = False
    background: "asyncio.Task[None] | None" = None

    async def deliver(self, queue: list[str]) -> None:
        """Send packets to the client."""
        for packet in queue:
            await self.send_text(packet)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.background = asyncio.get_running_loop().create_task(work)

    async def serve(self) -> None:
        """Send what waits in Valkey, when the hub says so and every ``LOOK_S``, as long as the client is there."""
        try:
            with self.hub.bell(self.sid) as bell:
                while not self.is_closed and (now := time.monotonic()) < self.closes_at:
                    with suppress(redis.RedisError):  # nothing is lost: the packets wait in Valkey
                        queue = await self.hub.sessions.take(self.sid)
                        if queue is None:
                            break  # Valkey has lost the session, by a restart without its data: the client reconnects
                        await self.deliver(queue)
                    if now >= self.pings_at:
                        self.pings_at, self.closes_at = math.inf, now + timing(4).timeout_ms / 1000
                        await self.send_text(packets.PING)
                    await bell.wait(LOOK_S)
        finally:
            await self.hang_up()

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        self.is_closed = True
        raise StopConsumer

    async def accept(self) -> None:
        await self.base_send({"type": "websocket.accept"})

    async def refuse(self) -> None:
        await self.base_send({"type": "websocket.close"})
        raise StopConsumer

    async def send_text(self, text: str) -> None:
        if not self.is_closed:
            try:
                async with asyncio.timeout(SEND_PATIENCE_S):
                    await self.base_send({"type": "websocket.send", "text": text})
            except Exception as error:
                # The client does not read, or has gone; each ASGI server raises its own exception then.
                self.is_closed = True
                if isinstance(error, TimeoutError):
                    self._abandon()

    async def hang_up(self, code: int = NORMAL) -> None:
        """Close the WebSocket; ends the consumer, at once if it is called from the consumer's own task."""
        if self.is_closed:
            return
        self.is_closed = True
        task = asyncio.current_task()
        with suppress(Exception):  # the client has gone, or does not read
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self.base_send({"type": "websocket.close", "code": code})
        if task is self.task:
            raise StopConsumer
        # The consumer usually receives a disconnect now and ends. From a client that has vanished none comes.
        asyncio.get_running_loop().call_later(CLOSE_PATIENCE_S, self._abandon)

    def _abandon(self) -> None:
        self.is_abandoned = True
        self.task.cancel()

    async def give_up(self) -> None:
        with suppress(StopConsumer):
            await self.hang_up(TRY_AGAIN)

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        self.task: Any = asyncio.current_task()
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            if not self.is_abandoned:  # the server stops
                raise

    async def tidy_up(self) -> None:
        self.is_closed = True
        if self.background:
            self.background.cancel()
        if self.sid:
            with suppress(redis.RedisError):  # the session expires by itself
                end = self.hub.sessions.probe_end if self.is_probing else self.hub.sessions.close
                await end(self.sid)


class EngineConsumer(WebsocketConsumer):
    """A WebSocket of a socket.io client, either from the start or upgraded from polling."""

    peer: Peer

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        query = self.query()
        version, sid = packets.version_of(query.get("EIO")), query.get("sid", "")
        if version is None or query.get("transport") != "websocket" or not self.has_allowed_origin():
            await self.refuse()
        self.peer = Peer(version or 4)
        if not sid:
            await self._open()
        elif sessions.is_sid(sid) and await self.hub.sessions.probe(sid, self.peer.version, UPGRADE_WINDOW_MS):
            self.sid, self.is_probing = sid, True
            await self.accept()
            self.run(self._end_probe())
        else:
            await self.refuse()

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        text, binary = message.get("text"), message.get("bytes")
        if self.is_closed:
            return
        if len(text or binary or b"") > MAX_BODY:
            await self.hang_up(TOO_BIG)
        try:
            packet = packets.BINARY if text is None else packets.decode_text(text)
            await (self._probe(packet) if self.is_probing else self._react(packet))
        except PacketError:
            await self.hang_up()

    async def _open(self) -> None:
        """Begin a new session on this WebSocket."""
        self.sid = sessions.new_sid()
        # Before the accept: while Valkey is away the handshake fails, and socket.io tries again at once. When
        # a WebSocket ends before its first packet, socket.io (2.3.0, 4.8.4) does not notice, and waits for 20 s.
        first = await self.begin(self.sid, self.peer, sessions.WEBSOCKET)
        await self.accept()
        await self.deliver(first)
        self._see()
        self.run(self.serve())

    def _see(self) -> None:
        """Note that the client has given a sign of life."""
        times, now = timing(self.peer.version), time.monotonic()
        self.closes_at = now + times.ttl_ms / 1000
        # In Engine.IO 3 the client sends the pings. In version 4 the server does, once the client has joined.
        if self.peer.version == 4 and self.peer.is_joined:
            self.pings_at = now + times.interval_ms / 1000

    async def _probe(self, packet: Packet) -> None:
        """Handle a packet during an upgrade: ``2probe`` is answered by ``3probe``, then ``5`` completes it."""
        if packet == Packet(packets.PING, "probe"):
            await self.send_text(packets.PONG + "probe")
        elif packet.kind == packets.UPGRADE:
            await self._upgrade()
        else:
            raise PacketError("neither probe nor upgrade")

    async def _upgrade(self) -> None:
        peer = await self.hub.sessions.upgrade(self.sid, self.peer.version)
        if peer is None:
            raise PacketError("no session to upgrade")
        self.peer, self.is_probing = peer, False
        self._see()
        self.run(self.serve())

    async def _end_probe(self) -> None:
        await asyncio.sleep(UPGRADE_WINDOW_MS / 1000)
        if self.is_probing:
            await self.hang_up()

    async def _react(self, packet: Packet) -> None:
        was_joined = self.peer.is_joined
        reaction = self.peer.receive(packet)
        if reaction.is_closed:
            await self.hang_up()
        if reaction.has_joined:
            reaction.replies += self.join(self.peer, self.sid)
        # Every packet of an Engine.IO 3 client proves that it is there; in version 4 only a pong prolongs the session.
        if self.peer.version == 3 or reaction.has_ponged or reaction.has_joined:
            self._see()
        if self.peer.is_joined != was_joined:
            await self.hub.sessions.mark_joined(self.sid, self.peer.is_joined)
        await self.deliver(reaction.replies)


class PlainConsumer(WebsocketConsumer):
    """A WebSocket that carries the events as JSON text ``{"event": ..., "data": ...}``."""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        if not self.has_allowed_origin():
            await self.refuse()
        self.sid = sessions.new_sid()
        self.closes_at = time.monotonic() + PLAIN_LIFETIME_S
        # It speaks no version of Engine.IO, but the session needs one for its time to live.
        await self.hub.sessions.open(self.sid, sessions.PLAIN, Peer(4, is_joined=True), self.address())
        await self.accept()
        await self.deliver([packets.encode_event(*self.greeting(self.sid))])
        self.run(self.serve())

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if len(message.get("text") or message.get("bytes") or b"") > MAX_BODY:
            await self.hang_up(TOO_BIG)

    async def deliver(self, queue: list[str]) -> None:
        for packet in queue:
            event, data = packets.decode_event(packet)
            await self.send_text(orjson.dumps({"event": event, "data": data}).decode())
