"""For uvicorn, where thousands of WebSockets wait: ``uvicorn --ws accounts.socketio.lean:LeanProtocol``.

Problem: wsproto keeps the parser of the handshake for the whole life of a WebSocket, 4 of the 20 KB a waiting socket
takes. The plain way fails: neither uvicorn nor wsproto has a setting for it. Without the parser a socket takes 15.5 KB,
less than in Node (``benchmarks/sockets.py``, ADR 10). Remove this when wsproto drops its handshake after the accept.
deploy/systemd/spms-socket.service starts it; nothing else imports this.
"""

from collections.abc import Iterator
from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol


class _HandshakeIsOver:
    def events(self) -> Iterator[Any]:
        return iter(())


_over: Any = _HandshakeIsOver()


class LeanProtocol(WSProtocol):
    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept" and self.conn.connection is not None:
            self.conn.handshake = _over
