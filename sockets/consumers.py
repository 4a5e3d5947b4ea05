"""Channels consumers for WebSockets: those of socket.io, and plain ones. For HTTP polling see ``polling``."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson
import redis
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.conf import settings

from core.api.request import address_of
from sockets import origins, packets, sessions
from sockets.config import PLAIN_LIFETIME_S, PLAIN_TTL_S, UPGRADE_WINDOW_MS, timing
from sockets.hub import TICK_S, Hub, KeepAlive, current_hub
from sockets.packets import Packet, PacketError
from sockets.protocol import MAX_BODY, Peer, open_packet

Greeting = Callable[[str], tuple[str, Any]]
NORMAL, TOO_BIG, TRY_AGAIN = 1000, 1009, 1013
CLOSE_PATIENCE_S = 2.0


class SocketConsumer(AsyncConsumer):
    """A Channels consumer without a channel of its own; the hub receives for the whole process.

    Channels' own loop costs a second task and a queue for each socket, and closes old database connections at each
    message. Thousands of sockets wait here, and none of them uses the database.
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
        return origins.is_allowed(self.header(b"origin"), self.header(b"host"))

    def welcome(self, sid: str) -> str:
        """Return the packet with the greeting."""
        return packets.encode_event(*self.greeting(sid))


class WebsocketConsumer(SocketConsumer):
    """What both kinds of WebSocket share: sending, closing, and removing the session at the end."""

    sid = ""
    ttl_ms = 0
    is_closed = False
    is_abandoned = False

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        self.is_closed = True
        raise StopConsumer

    async def accept(self) -> None:
        await self.base_send({"type": "websocket.accept"})
        # The headers are not needed after the handshake, and a socket stays open for minutes: free their memory.
        self.scope["headers"] = []

    async def refuse(self) -> None:
        await self.base_send({"type": "websocket.close"})
        raise StopConsumer

    async def send_text(self, text: str) -> None:
        if not self.is_closed:
            try:
                await self.base_send({"type": "websocket.send", "text": text})
            except Exception:
                # The client has gone; each ASGI server raises its own exception then.
                self.is_closed = True

    async def hang_up(self, code: int = NORMAL) -> None:
        """Close the WebSocket; ends the consumer, at once if it is called from the consumer's own task."""
        if self.is_closed:
            return
        self.is_closed = True
        self.hub.remove(self)
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
        self.hub.remove(self)
        if self.sid:
            with suppress(redis.RedisError):  # the session expires by itself
                await self.leave()

    async def leave(self) -> None:
        """Tell Valkey that this socket has ended."""
        await self.hub.sessions.close(self.sid)


class EngineConsumer(WebsocketConsumer):
    """A WebSocket of a socket.io client, either from the start or upgraded from polling.

    During an upgrade (``is_probing``) the session still belongs to the polling transport.
    """

    peer: Peer
    is_probing = False
    seen_at = 0.0
    pinged_at: float | None = None

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
            asyncio.get_running_loop().call_later(UPGRADE_WINDOW_MS / 1000, self._end_of_probe)
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

    def keep_alive(self, now: float) -> KeepAlive:
        times = timing(self.peer.version)
        silent_ms = (now - self.seen_at) * 1000
        # In Engine.IO 3 the client sends the pings. In version 4 the server does, once the client has joined.
        if not self.peer.is_joined or self.peer.version == 3:
            return KeepAlive.CLOSE if silent_ms >= times.ttl_ms else KeepAlive.NOTHING
        if self.pinged_at is not None:
            return KeepAlive.CLOSE if (now - self.pinged_at) * 1000 >= times.timeout_ms else KeepAlive.NOTHING
        if silent_ms < times.interval_ms:
            return KeepAlive.NOTHING
        self.pinged_at = now
        return KeepAlive.PING

    async def deliver(self, waiting: list[str]) -> None:
        for packet in waiting:
            await self.send_text(packet)

    async def leave(self) -> None:
        if self.is_probing:
            await self.hub.sessions.probe_end(self.sid)
        else:
            await super().leave()

    async def _open(self) -> None:
        """Begin a new session on this WebSocket."""
        self.sid = sessions.new_sid()
        times = timing(self.peer.version)
        first = [
            open_packet(
                self.sid,
                self.peer.version,
                upgrades=False,
                interval_ms=times.interval_ms,
                timeout_ms=times.timeout_ms,
            )
        ]
        if self.peer.version == 3:
            first += [*self.peer.join(self.sid), self.welcome(self.sid)]
        # Before the accept: while Valkey is away the handshake fails, and socket.io tries again at once. When
        # a WebSocket ends before its first packet, socket.io (2.3.0, 4.8.4) does not notice, and waits for 20 s.
        await self.hub.sessions.open(self.sid, sessions.WEBSOCKET, self.peer, self.address())
        await self.accept()
        await self.deliver(first)
        await self._join_hub()

    async def _join_hub(self) -> None:
        # The hub prolongs sessions once a tick; on a busy machine a tick may be late.
        self.ttl_ms = timing(self.peer.version).ttl_ms + int(5 * TICK_S * 1000)
        self.seen_at = time.monotonic()
        await self.hub.add(self)

    async def _probe(self, packet: Packet) -> None:
        """Handle a packet during an upgrade: ``2probe`` is answered by ``3probe``, then ``5`` completes it."""
        if packet == Packet(packets.PING, "probe"):
            await self.send_text(packets.PONG + "probe")
        elif packet.kind == packets.UPGRADE:
            await self._upgrade()
        else:
            raise PacketError("neither probe nor upgrade")

    async def _upgrade(self) -> None:
        upgraded = await self.hub.sessions.upgrade(self.sid, self.peer.version)
        if upgraded is None:
            raise PacketError("no session to upgrade")
        self.is_probing = False
        self.peer, waiting = upgraded
        await self.deliver(waiting)
        await self._join_hub()

    def _end_of_probe(self) -> None:
        if self.is_probing and not self.is_closed:
            self.hub.spawn(self.hang_up())

    async def _react(self, packet: Packet) -> None:
        was_joined = self.peer.is_joined
        reaction = self.peer.receive(packet)
        if reaction.is_closed:
            await self.hang_up()
        # Every packet of an Engine.IO 3 client proves that it is there; in version 4 only a pong prolongs the session.
        if self.peer.version == 3 or reaction.has_ponged:
            self.seen_at, self.pinged_at = time.monotonic(), None
            self.hub.alive.add(self.sid)
        if reaction.has_joined:
            self.seen_at = time.monotonic()
            reaction.replies += [*self.peer.join(self.sid), self.welcome(self.sid)]
        if self.peer.is_joined != was_joined:
            await self.hub.sessions.mark_joined(self.sid, self.peer.is_joined, self.ttl_ms)
        await self.deliver(reaction.replies)


class PlainConsumer(WebsocketConsumer):
    """A WebSocket that carries the events as JSON text ``{"event": ..., "data": ...}``."""

    ttl_ms = PLAIN_TTL_S * 1000
    opened_at = touched_at = 0.0
    # A plain WebSocket has no version of Engine.IO, but the session's hash needs one for its time to live.
    VERSION: ClassVar[int] = 4

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        if not self.has_allowed_origin():
            await self.refuse()
        self.sid = sessions.new_sid()
        self.opened_at = self.touched_at = time.monotonic()
        await self.hub.sessions.open(self.sid, sessions.PLAIN, Peer(self.VERSION, is_joined=True), self.address())
        await self.accept()
        await self.deliver([self.welcome(self.sid)])
        await self.hub.add(self)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if len(message.get("text") or message.get("bytes") or b"") > MAX_BODY:
            await self.hang_up(TOO_BIG)

    def keep_alive(self, now: float) -> KeepAlive:
        if now - self.opened_at > PLAIN_LIFETIME_S:
            return KeepAlive.CLOSE
        if now - self.touched_at > PLAIN_TTL_S / 3:
            self.touched_at = now
            self.hub.alive.add(self.sid)
        return KeepAlive.NOTHING

    async def deliver(self, waiting: list[str]) -> None:
        for packet in waiting:
            event, data = packets.decode_event(packet)
            await self.send_text(orjson.dumps({"event": event, "data": data}).decode())
