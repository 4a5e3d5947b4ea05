"""For uvicorn, where thousands of WebSockets wait: ``uvicorn --ws accounts.socketio.lean:LeanProtocol``.

wsproto keeps for the whole life of a WebSocket what its handshake needed: 4 KB of 20. Without that a socket costs
less than in Node (``benchmarks/sockets.py``). deploy/systemd/spms-socket.service starts it; nothing else imports this.
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
