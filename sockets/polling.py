"""Engine.IO over HTTP polling. Each request may reach another process, so all state is in Valkey."""

import asyncio
import secrets
from contextlib import suppress
from typing import Any

import orjson
from channels.exceptions import StopConsumer
from django.conf import settings

from core.api.bodies import RETRY_AFTER_S, IncomingBody
from sockets import packets, sessions
from sockets.consumers import Greeting, SocketConsumer
from sockets.hub import LOOK_S
from sockets.packets import BINARY, SEPARATOR, PacketError
from sockets.protocol import MAX_BODY, Peer, Reaction

_MAX_STAMP = 64
CLIENT_VERSION = "2.3.0"
# The numbers and texts of Engine.IO's own server.
TRANSPORT_UNKNOWN, SESSION_UNKNOWN, BAD_METHOD, BAD_REQUEST, FORBIDDEN, VERSION_UNSUPPORTED = range(6)
_MESSAGES = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)


class PollingError(Exception):
    """An error as Engine.IO's own server answers it."""

    def __init__(self, code: int) -> None:
        self.body = orjson.dumps({"code": code, "message": _MESSAGES[code]})
        self.http_status = 403 if code == FORBIDDEN else 400


class PollingConsumer(SocketConsumer):
    """One HTTP request of a socket.io client: a handshake or poll (GET), or packets (POST)."""

    def __init__(self, greeting: Greeting) -> None:
        super().__init__(greeting)
        self.body = IncomingBody(MAX_BODY)
        self.has_answered = False

    async def http_request(self, message: dict[str, Any]) -> None:
        self.body.add(message.get("body", b""))
        content_length = self.header(b"content-length")
        if self.body.is_too_large or (content_length.isdecimal() and int(content_length[:12]) > MAX_BODY):
            await self._too_big()
        elif self.body.was_dropped:
            await self._answer(b"", "text/plain", 503, [(b"retry-after", str(RETRY_AFTER_S).encode())])
        elif message.get("more_body"):
            return
        else:
            self.body.finish()
            try:
                await self._route()
            except PollingError as error:
                await self._answer(error.body, "application/json", error.http_status)
        raise StopConsumer

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def tidy_up(self) -> None:
        self.body.end()

    async def give_up(self) -> None:
        if not self.has_answered:
            await self._answer(b"", "text/plain", 503)

    # --- Requests ------------------------------------------------------------------------------------

    async def _route(self) -> None:
        self.args = self.query()
        method, sid = self.scope["method"], self.args.get("sid", "")
        if self.scope["path"].endswith("/socket.io.js"):  # pages without a build step load the client here
            kind, cache_control = "application/javascript; charset=utf-8", (b"cache-control", b"public, max-age=86400")
            file = settings.BASE_DIR / f"static/vendor/socket.io-client-{CLIENT_VERSION}/socket.io.slim.js"
            await self._answer(b"" if method == "HEAD" else file.read_bytes(), kind, more=[cache_control])
            return
        if not self.has_allowed_origin():
            raise PollingError(FORBIDDEN)
        if method == "OPTIONS":
            await self._answer(b"", "text/plain", 204)
            return
        if self.args.get("transport") != "polling":
            raise PollingError(BAD_REQUEST if self.args.get("transport") == "websocket" else TRANSPORT_UNKNOWN)
        version = packets.version_of(self.args.get("EIO"))
        if sid and not sessions.is_sid(sid):
            raise PollingError(SESSION_UNKNOWN)
        if version is None:
            raise PollingError(VERSION_UNSUPPORTED)
        match method, bool(sid):
            case "GET", False:
                first = await self.begin(sessions.new_sid(), Peer(version), sessions.POLLING)
                await self._answer_packets(first, version)
            case "GET", True:
                await self._poll(sid, version)
            case "POST", True:
                await self._receive(sid, version)
            case _:
                raise PollingError(BAD_METHOD)

    async def _poll(self, sid: str, version: int) -> None:
        poll, stamp = secrets.token_urlsafe(9), self.args.get("t", "")[:_MAX_STAMP]
        departure = asyncio.ensure_future(self.base_receive())
        try:
            # Before Valkey is asked: a packet that arrives after the question still rings the bell.
            with self.hub.bell(sid) as bell:
                departure.add_done_callback(lambda _: bell.ring())
                word, *details = await self.hub.sessions.poll(sid, version, poll, stamp, is_first=True)
                if word == "unknown":
                    raise PollingError(SESSION_UNKNOWN)
                if word == "mismatch":
                    raise PollingError(BAD_REQUEST)
                while word == "wait":
                    await bell.wait(min(details[0] / 1000, LOOK_S))
                    if departure.done():
                        return
                    word, *details = await self.hub.sessions.poll(sid, version, poll, stamp, is_first=False)
        except asyncio.CancelledError:
            # The server shuts down. Answer at once: the client polls again and reaches another process.
            word = "over"
        finally:
            departure.cancel()
        await self._answer_packets(_FINAL_PACKETS.get(word) or SEPARATOR.join(details).split(SEPARATOR), version)

    async def _receive(self, sid: str, version: int) -> None:
        session = await self.hub.sessions.peer(sid)
        if session is None:
            raise PollingError(SESSION_UNKNOWN)
        peer, transport = session
        if transport != sessions.POLLING or peer.version != version:
            raise PollingError(BAD_REQUEST)
        try:
            reaction = self._react(peer, sid, version)
        except PacketError:
            await self.hub.sessions.close(sid)
            raise PollingError(BAD_REQUEST) from None
        if reaction.is_closed:
            await self.hub.sessions.close(sid)
        elif not await self.hub.sessions.apply(sid, peer, reaction.replies, has_ponged=reaction.has_ponged):
            raise PollingError(SESSION_UNKNOWN)
        await self._answer(b"ok", "text/html")

    def _react(self, peer: Peer, sid: str, version: int) -> Reaction:
        """Let ``peer`` receive all packets of the body; return its reactions as one."""
        total = Reaction()
        is_binary = self.header(b"content-type").startswith("application/octet-stream")
        body = b"".join(self.body.blocks)
        for packet in [BINARY] if is_binary else packets.decode_payload(body, version):
            reaction = peer.receive(packet)
            total.replies += reaction.replies
            if reaction.has_joined:
                total.replies += self.join(peer, sid)
            total.has_ponged |= reaction.has_ponged
            total.is_closed |= reaction.is_closed
        return total

    async def _too_big(self) -> None:
        sid = self.query().get("sid", "")
        if sessions.is_sid(sid):
            await self.hub.sessions.close(sid)
        await self._answer(b"", "text/plain", 413, [(b"connection", b"close")])

    # --- Answers -------------------------------------------------------------------------------------

    async def _answer_packets(self, texts: list[str], version: int) -> None:
        payload = packets.encode_payload(texts, version)
        await self._answer(payload.encode(), "text/plain; charset=UTF-8", more=[(b"cache-control", b"no-store")])

    async def _answer(
        self, body: bytes, kind: str, http_status: int = 200, more: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        self.has_answered = True
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            *(more or []),
        ]
        if self.has_allowed_origin():
            headers += self._cors_headers()
        with suppress(Exception):  # the client has gone; each ASGI server raises its own exception then
            await self.base_send({"type": "http.response.start", "status": http_status, "headers": headers})
            await self.base_send({"type": "http.response.body", "body": body})

    def _cors_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers for an allowed origin. The origin itself is sent, since credentials forbid ``*``."""
        headers = [(b"vary", b"Origin")]
        if origin := self.header(b"origin"):
            headers += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-credentials", b"true"),
            ]
        requested = self.header(b"access-control-request-headers")
        if requested and self.scope["method"] == "OPTIONS":
            headers += [
                (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
                (b"access-control-allow-headers", requested.encode("latin-1")),
                (b"access-control-max-age", b"600"),
            ]
        return headers


# The last packet of a poll whose session has expired, or that a WebSocket or a newer poll has replaced.
_FINAL_PACKETS = {"unknown": [packets.CLOSE], "over": [packets.NOOP]}
