"""Engine.IO over WebSocket, and the plain WebSocket, as Channels consumers. Polling is in ``polling``."""

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

from accounts.socketio import origins, packets, sessions
from accounts.socketio.config import PLAIN_LIFETIME_S, PLAIN_TTL_S, UPGRADE_WINDOW_MS, timing
from accounts.socketio.hub import TICK_S, Hub, Pulse, current_hub
from accounts.socketio.packets import Packet, PacketError
from accounts.socketio.protocol import MAX_BODY, Peer, open_packet

Greeting = Callable[[str], tuple[str, Any]]
NORMAL, TOO_BIG, TRY_AGAIN = 1000, 1009, 1013
CLOSE_PATIENCE_S = 2.0


class SocketConsumer(AsyncConsumer):
    """A Channels consumer that has no channel of its own: the hub listens for the whole process.

    So a socket costs no second task and no queue, and a message no look at the database's connections.
    """

    def __init__(self, greeting: Greeting) -> None:
        self.greeting = greeting  # what a client is told when it has connected: event and data

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
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
        """End it, because Valkey does not answer."""

    async def tidy_up(self) -> None:
        """Called last, however it ended."""

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), "")

    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def is_welcome(self) -> bool:
        return origins.is_allowed(self.header(b"origin"), self.header(b"host"))

    def welcome(self, sid: str) -> str:
        return packets.encode_event(*self.greeting(sid))


class WebsocketConsumer(SocketConsumer):
    """What both kinds of WebSocket have in common: an end that leaves nothing behind."""

    sid = ""
    ttl_ms = 0
    is_closed = False

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        self.is_closed = True
        raise StopConsumer

    async def accept(self) -> None:
        await self.base_send({"type": "websocket.accept"})
        # A client waits for minutes: its handshake's headers need not wait with it.
        self.scope["headers"] = []

    async def refuse(self) -> None:
        await self.base_send({"type": "websocket.close"})
        raise StopConsumer

    async def send_text(self, text: str) -> None:
        if not self.is_closed:
            try:
                await self.base_send({"type": "websocket.send", "text": text})
            except Exception:
                # The client is gone. Each ASGI server says so with an exception of its own.
                self.is_closed = True

    async def hang_up(self, code: int = NORMAL) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self.hub.remove(self)
        task = asyncio.current_task()
        with suppress(Exception):  # it was gone already, or does not read
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self.base_send({"type": "websocket.close", "code": code})
        if task is self.task:
            raise StopConsumer
        # The receiving side usually ends by itself now; it must in any case.
        asyncio.get_running_loop().call_later(CLOSE_PATIENCE_S, self.task.cancel)

    async def give_up(self) -> None:
        with suppress(StopConsumer):
            await self.hang_up(TRY_AGAIN)

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        self.task: Any = asyncio.current_task()
        await super().__call__(scope, receive, send)

    async def tidy_up(self) -> None:
        self.is_closed = True
        self.hub.remove(self)
        if self.sid:
            with suppress(redis.RedisError):  # the session runs out by itself
                await self.leave()

    async def leave(self) -> None:
        await self.hub.sessions.close(self.sid)


class EngineConsumer(WebsocketConsumer):
    """A client of socket.io over WebSocket, from the start or upgraded from polling."""

    peer: Peer
    is_probing = False
    seen_at = 0.0
    pinged_at: float | None = None

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        query = self.query()
        version, sid = packets.version_of(query.get("EIO")), query.get("sid", "")
        if version is None or query.get("transport") != "websocket" or not self.is_welcome():
            await self.refuse()
        self.peer = Peer(version or 4)
        if not sid:
            await self.accept()
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
            if text is not None:
                packet = packets.decode_text(text, self.peer.version)
            else:
                packet = packets.decode_binary(binary or b"", self.peer.version)
            await (self._probe(packet) if self.is_probing else self._react(packet))
        except PacketError:
            await self.hang_up()

    def pulse(self, now: float) -> Pulse:
        times = timing(self.peer.version)
        silent_ms = (now - self.seen_at) * 1000
        if not self.peer.is_joined or self.peer.version == 3:
            return Pulse.CLOSE if silent_ms >= times.ttl_ms else Pulse.NOTHING
        if self.pinged_at is not None:
            return Pulse.CLOSE if (now - self.pinged_at) * 1000 >= times.timeout_ms else Pulse.NOTHING
        if silent_ms < times.interval_ms:
            return Pulse.NOTHING
        self.pinged_at = now
        return Pulse.PING

    async def deliver(self, waiting: list[str]) -> None:
        for packet in waiting:
            await self.send_text(packet)

    async def leave(self) -> None:
        if self.is_probing:
            await self.hub.sessions.probe_end(self.sid)
        else:
            await super().leave()

    async def _open(self) -> None:
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
        await self.hub.sessions.open(self.sid, sessions.WEBSOCKET, self.peer)
        await self.deliver(first)
        await self._settle()

    async def _settle(self) -> None:
        self.ttl_ms = timing(self.peer.version).ttl_ms + int(5 * TICK_S * 1000)
        self.seen_at = time.monotonic()
        await self.hub.add(self)

    async def _probe(self, packet: Packet) -> None:
        if packet == Packet(packets.PING, "probe"):
            await self.send_text(packets.PONG + "probe")
        elif packet.kind == packets.UPGRADE:
            await self._upgrade()
        else:
            raise PacketError("neither probe nor upgrade")

    async def _upgrade(self) -> None:
        moved = await self.hub.sessions.upgrade(self.sid, self.peer.version)
        if moved is None:
            raise PacketError("no session to upgrade")
        self.is_probing = False
        self.peer, waiting = moved
        await self.deliver(waiting)
        await self._settle()

    def _end_of_probe(self) -> None:
        if self.is_probing and not self.is_closed:
            self.hub.spawn(self.hang_up())

    async def _react(self, packet: Packet) -> None:
        was_joined = self.peer.is_joined
        reaction = self.peer.receive(packet)
        if reaction.is_closed:
            await self.hang_up()
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
    # The session's hash names a version of Engine.IO; for this kind only its time to live counts.
    VERSION: ClassVar[int] = 4

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        if not self.is_welcome():
            await self.refuse()
        await self.accept()
        self.sid = sessions.new_sid()
        self.opened_at = self.touched_at = time.monotonic()
        await self.hub.sessions.open(self.sid, sessions.PLAIN, Peer(self.VERSION, is_joined=True))
        await self.deliver([self.welcome(self.sid)])
        await self.hub.add(self)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if len(message.get("text") or message.get("bytes") or b"") > MAX_BODY:
            await self.hang_up(TOO_BIG)

    def pulse(self, now: float) -> Pulse:
        if now - self.opened_at > PLAIN_LIFETIME_S:
            return Pulse.CLOSE
        if now - self.touched_at > PLAIN_TTL_S / 3:
            self.touched_at = now
            self.hub.alive.add(self.sid)
        return Pulse.NOTHING

    async def deliver(self, waiting: list[str]) -> None:
        for packet in waiting:
            event, data = packets.decode_event(packet)
            await self.send_text(orjson.dumps({"event": event, "data": data}).decode())
