"""Engine.IO over HTTP polling. Each request may reach another process, so all state is in Valkey."""

import asyncio
import re
import secrets
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import orjson
from channels.exceptions import StopConsumer

from core.api.bodies import RETRY_AFTER_S, IncomingBody
from sockets import origins, packets, sessions
from sockets.config import timing
from sockets.consumers import Greeting, SocketConsumer
from sockets.packets import SEPARATOR, Packet, PacketError
from sockets.protocol import MAX_BODY, Peer, Reaction, open_packet

_MAX_STAMP = 64
_MAX_FIELDS = 8
_JSONP_NEWLINE = re.compile(r"(\\)?\\n")


class PollingError(Exception):
    """An error as Engine.IO's own server answers it."""

    def __init__(self, code: int, message: str, http_status: int = 400) -> None:
        self.body = orjson.dumps({"code": code, "message": message})
        self.http_status = http_status


def transport_unknown() -> PollingError:
    return PollingError(0, "Transport unknown")


def session_unknown() -> PollingError:
    return PollingError(1, "Session ID unknown")


def bad_method() -> PollingError:
    return PollingError(2, "Bad handshake method")


def bad_request() -> PollingError:
    return PollingError(3, "Bad request")


def forbidden() -> PollingError:
    return PollingError(4, "Forbidden", 403)


def version_unsupported() -> PollingError:
    return PollingError(5, "Unsupported protocol version")


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
            raise StopConsumer
        if self.body.was_dropped:
            await self._answer(b"", "text/plain", 503, [(b"retry-after", str(RETRY_AFTER_S).encode())])
            raise StopConsumer
        if not message.get("more_body"):
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
        if not self.has_allowed_origin():
            raise forbidden()
        if method == "OPTIONS":
            await self._answer(b"", "text/plain", 204)
            raise StopConsumer
        if self.args.get("transport") != "polling":
            raise bad_request() if self.args.get("transport") == "websocket" else transport_unknown()
        version = packets.version_of(self.args.get("EIO"))
        if sid and not sessions.is_sid(sid):
            raise session_unknown()
        if version is None:
            raise version_unsupported()
        match method, bool(sid):
            case "GET", False:
                await self._handshake(version)
            case "GET", True:
                await self._poll(sid, version)
            case "POST", True:
                await self._receive(sid, version)
            case _:
                raise bad_method()

    async def _handshake(self, version: int) -> None:
        sid, peer, times = sessions.new_sid(), Peer(version), timing(version)
        first = [
            open_packet(sid, version, upgrades=True, interval_ms=times.interval_ms, timeout_ms=times.timeout_ms),
        ]
        if version == 3:
            first += [*peer.join(sid), self.welcome(sid)]
        await self.hub.sessions.open(sid, sessions.POLLING, peer, self.address())
        await self._answer_packets(first, version)

    async def _poll(self, sid: str, version: int) -> None:
        poll, stamp = secrets.token_urlsafe(9), self.args.get("t", "")[:_MAX_STAMP]
        # Register before asking Valkey: a packet that arrives after the question still completes the future.
        future = self.hub.expect(sid)
        disconnected = asyncio.ensure_future(self.base_receive())
        try:
            word, *details = await self.hub.sessions.poll(sid, version, poll, stamp, is_first=True)
            if word == "unknown":
                raise session_unknown()
            if word == "mismatch":
                raise bad_request()
            while word == "wait":
                await asyncio.wait(
                    {future, disconnected}, timeout=details[0] / 1000, return_when=asyncio.FIRST_COMPLETED
                )
                if disconnected.done():
                    raise StopConsumer
                if future.done():
                    self.hub.forget(sid, future)
                    future = self.hub.expect(sid)
                word, *details = await self.hub.sessions.poll(sid, version, poll, stamp, is_first=False)
        except asyncio.CancelledError:
            # The server shuts down. Answer at once: the client polls again and reaches another process.
            word = "over"
        finally:
            self.hub.forget(sid, future)
            disconnected.cancel()
        await self._answer_packets(_FINAL_PACKETS.get(word) or SEPARATOR.join(details).split(SEPARATOR), version)

    async def _receive(self, sid: str, version: int) -> None:
        session = await self.hub.sessions.peer(sid)
        if session is None:
            raise session_unknown()
        peer, transport = session
        if transport != sessions.POLLING or peer.version != version:
            raise bad_request()
        try:
            reaction = self._react(peer, sid, version)
        except PacketError:
            await self.hub.sessions.close(sid)
            raise bad_request() from None
        if reaction.is_closed:
            await self.hub.sessions.close(sid)
        elif not await self.hub.sessions.apply(sid, peer, reaction.replies, has_ponged=reaction.has_ponged):
            raise session_unknown()
        await self._answer(b"ok", "text/html")

    def _react(self, peer: Peer, sid: str, version: int) -> Reaction:
        """Let ``peer`` receive all packets of the body; return its reactions as one."""
        total = Reaction()
        for packet in self._packets(version):
            reaction = peer.receive(packet)
            total.replies += reaction.replies
            if reaction.has_joined:
                total.replies += [*peer.join(sid), self.welcome(sid)]
            total.has_ponged |= reaction.has_ponged
            total.is_closed |= reaction.is_closed
        return total

    def _packets(self, version: int) -> list[Packet]:
        kind = self.header(b"content-type").partition(";")[0].strip().lower()
        body = b"".join(self.body.blocks)
        if "j" in self.args and kind == "application/x-www-form-urlencoded":
            body = _from_jsonp(body)
        return packets.decode_payload(body, version, is_binary=kind == "application/octet-stream")

    async def _too_big(self) -> None:
        sid = self.query().get("sid", "")
        if sessions.is_sid(sid):
            await self.hub.sessions.close(sid)
        await self._answer(b"", "text/plain", 413, [(b"connection", b"close")])

    # --- Answers -------------------------------------------------------------------------------------

    async def _answer_packets(self, encoded: list[str], version: int) -> None:
        payload = packets.encode_payload(encoded, version)
        number = re.sub(r"\D", "", self.args.get("j", ""), flags=re.ASCII)[:10]
        if number:
            # Old JavaScript engines end the line at U+2028 and U+2029, and orjson escapes neither.
            script = orjson.dumps(payload).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
            await self._answer(f"___eio[{number}]({script});".encode(), "text/javascript; charset=UTF-8")
        else:
            await self._answer(payload.encode(), "text/plain; charset=UTF-8")

    async def _answer(
        self, body: bytes, kind: str, http_status: int = 200, more: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        self.has_answered = True
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            *(more or []),
        ]
        if self.has_allowed_origin():
            requested = self.header(b"access-control-request-headers") if self.scope["method"] == "OPTIONS" else ""
            headers += origins.cors_headers(self.header(b"origin"), requested)
        with suppress(Exception):  # the client has gone; each ASGI server raises its own exception then
            await self.base_send({"type": "http.response.start", "status": http_status, "headers": headers})
            await self.base_send({"type": "http.response.body", "body": body})


# The last packet of a poll whose session has expired, or that a WebSocket or a newer poll has replaced.
_FINAL_PACKETS = {"unknown": [packets.CLOSE], "over": [packets.NOOP]}


def _from_jsonp(body: bytes) -> bytes:
    # Forms of old browsers change line breaks, so engine.io-client escapes them; undo that.
    # Real clients send the one field; reading 250,000 of them would keep the event loop for 0.8 s.
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise PacketError("too many fields") from None
    data = fields.get("d", [""])[0]
    text = _JSONP_NEWLINE.sub(lambda found: found[0] if found[1] else "\n", data)
    return text.replace("\\\\n", "\\n").encode()
