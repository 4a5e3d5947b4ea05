"""Engine.IO over HTTP polling. Each request may reach another process, so all state is in Valkey."""

import asyncio
import secrets
from contextlib import suppress

import redis
from django.conf import settings
from django.http import HttpResponse, JsonResponse

from core.api.bodies import IncomingBody
from core.errors import ServiceUnavailable
from sockets import packets, sessions
from sockets.consumers import SocketConsumer
from sockets.hub import LOOK_S
from sockets.packets import BINARY, SEPARATOR, PacketError
from sockets.protocol import MAX_BODY, Peer

PLAIN = "text/plain"
_MAX_STAMP = 64
CLIENT_VERSION = "2.3.0"
# The numbers and texts of Engine.IO's own server.
TRANSPORT_UNKNOWN = 0, "Transport unknown"
SESSION_UNKNOWN = 1, "Session ID unknown"
BAD_METHOD = 2, "Bad handshake method"
BAD_REQUEST = 3, "Bad request"
FORBIDDEN = 4, "Forbidden"
VERSION_UNSUPPORTED = 5, "Unsupported protocol version"
# The last packet of a poll whose session has expired, or that a WebSocket or a newer poll has replaced.
_LAST_PACKETS = {"unknown": [packets.CLOSE], "over": [packets.NOOP]}


class Refused(Exception):
    def __init__(self, answer: HttpResponse) -> None:
        self.answer = answer


def _refused(problem: tuple[int, str]) -> Refused:
    """Return an error as Engine.IO's own server answers it."""
    code, message = problem
    return Refused(JsonResponse({"code": code, "message": message}, status=403 if problem == FORBIDDEN else 400))


class PollingConsumer(SocketConsumer):
    """One HTTP request of a socket.io client: a handshake or poll (GET), or packets (POST)."""

    async def serve(self) -> None:
        self.body = IncomingBody(MAX_BODY)
        try:
            answer = await self._route() if await self._read() else None
        except Refused as refused:
            answer = refused.answer
        except redis.RedisError:
            answer = HttpResponse(status=503, content_type=PLAIN)
        finally:
            self.body.end()
        if answer is None:
            return  # the client has gone
        more = {"x-content-type-options": "nosniff", "content-length": str(len(answer.content))}
        for name, text in (more | self._cors_headers()).items():
            answer[name] = text
        headers = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in answer.items()]
        with suppress(Exception):  # the client has gone; each ASGI server raises its own exception then
            await self._send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            await self._send({"type": "http.response.body", "body": answer.content})

    async def _read(self) -> bool:
        """Read the whole body; return False if the client has left."""
        announced = self.request.headers.get("content-length", "")
        while not self.body.is_finished:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return False
            self.body.add(message.get("body", b""))
            if self.body.is_too_large or (announced.isdecimal() and int(announced[:12]) > MAX_BODY):
                sid = self.request.query.get("sid", "")
                if sessions.is_sid(sid):
                    await self.hub.sessions.close(sid)
                raise Refused(HttpResponse(status=413, content_type=PLAIN, headers={"connection": "close"}))
            if self.body.was_dropped:
                later = {"retry-after": str(ServiceUnavailable.wait_s)}
                raise Refused(HttpResponse(status=503, content_type=PLAIN, headers=later))
            if not message.get("more_body"):
                self.body.finish()
        return True

    async def _route(self) -> HttpResponse | None:
        method, query = self.request.method, self.request.query
        if self.request.path.endswith("/socket.io.js"):  # pages without a build step load the client here
            file = settings.BASE_DIR / f"static/vendor/socket.io-client-{CLIENT_VERSION}/socket.io.slim.js"
            script = b"" if method == "HEAD" else file.read_bytes()
            kind, kept = "application/javascript; charset=utf-8", {"cache-control": "public, max-age=86400"}
            return HttpResponse(script, content_type=kind, headers=kept)
        if not self.request.has_allowed_origin:
            raise _refused(FORBIDDEN)
        if method == "OPTIONS":
            return HttpResponse(status=204, content_type=PLAIN)
        if query.get("transport") != "polling":
            raise _refused(BAD_REQUEST if query.get("transport") == "websocket" else TRANSPORT_UNKNOWN)
        version, sid = self.request.version, query.get("sid", "")
        if sid and not sessions.is_sid(sid):
            raise _refused(SESSION_UNKNOWN)
        if version is None:
            raise _refused(VERSION_UNSUPPORTED)
        match method, bool(sid):
            case "GET", False:
                peer = Peer(sessions.new_sid(), version)
                first = peer.open(upgrades=True)
                await self.hub.sessions.open(peer, sessions.POLLING, self.request.address)
                return _packets(first, version)
            case "GET", True:
                return await self._poll(sid, version)
            case "POST", True:
                return await self._take(sid, version)
        raise _refused(BAD_METHOD)

    async def _poll(self, sid: str, version: int) -> HttpResponse | None:
        poll, stamp = secrets.token_urlsafe(9), self.request.query.get("t", "")[:_MAX_STAMP]
        departure = asyncio.ensure_future(self._receive())
        try:
            # Before Valkey is asked: a packet that arrives after the question still rings the bell.
            with self.hub.bell(sid) as bell:
                departure.add_done_callback(lambda _: bell.set())
                word, *details = await self.hub.sessions.poll(sid, version, poll, stamp, is_first=True)
                if word in ("unknown", "mismatch"):
                    raise _refused(SESSION_UNKNOWN if word == "unknown" else BAD_REQUEST)
                while word == "wait":
                    await bell.wait_for(min(details[0] / 1000, LOOK_S))
                    if departure.done():
                        return None
                    word, *details = await self.hub.sessions.poll(sid, version, poll, stamp, is_first=False)
        except asyncio.CancelledError:
            # The server shuts down. Answer at once: the client polls again and reaches another process.
            word = "over"
        finally:
            departure.cancel()
        return _packets(_LAST_PACKETS.get(word) or SEPARATOR.join(details).split(SEPARATOR), version)

    async def _take(self, sid: str, version: int) -> HttpResponse:
        """Let the client's session receive the packets of the body."""
        session = await self.hub.sessions.peer(sid)
        if session is None:
            raise _refused(SESSION_UNKNOWN)
        peer, transport = session
        if transport != sessions.POLLING or peer.version != version:
            raise _refused(BAD_REQUEST)
        is_binary = self.request.headers.get("content-type", "").startswith("application/octet-stream")
        replies: list[str] = []
        try:
            for packet in [BINARY] if is_binary else packets.decode_payload(b"".join(self.body.blocks), version):
                replies += peer.receive(packet)
        except PacketError:
            await self.hub.sessions.close(sid)
            raise _refused(BAD_REQUEST) from None
        if peer.has_left:
            await self.hub.sessions.close(sid)
        elif not await self.hub.sessions.apply(peer, replies):
            raise _refused(SESSION_UNKNOWN)
        return HttpResponse("ok", content_type="text/html")

    def _cors_headers(self) -> dict[str, str]:
        """Return the headers for an allowed origin. The origin itself is sent, since credentials forbid ``*``."""
        if not self.request.has_allowed_origin:
            return {}
        headers = {"vary": "Origin"}
        if origin := self.request.headers.get("origin"):
            headers |= {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        requested = self.request.headers.get("access-control-request-headers")
        if requested and self.request.method == "OPTIONS":
            methods = {"access-control-allow-methods": "GET, POST, OPTIONS", "access-control-max-age": "600"}
            headers |= methods | {"access-control-allow-headers": requested}
        return headers


def _packets(texts: list[str], version: int) -> HttpResponse:
    headers = {"cache-control": "no-store"}
    return HttpResponse(packets.encode_payload(texts, version), content_type=f"{PLAIN}; charset=UTF-8", headers=headers)
