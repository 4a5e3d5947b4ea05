"""A WebSocket protocol for uvicorn that takes less memory: ``uvicorn --ws sockets.lean:LeanProtocol``.

Problem: wsproto keeps the parser of the handshake as long as the WebSocket is open, 4 KB of the 20 KB that a waiting
socket takes, and neither uvicorn nor wsproto has a setting against it. Without the parser a socket takes 15.5 KB, less
than in Node (``benchmarks/sockets.py``, ADR 10). Remove this when wsproto frees its handshake after the accept.
Only deploy/systemd/spms-socket.service uses it.
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
