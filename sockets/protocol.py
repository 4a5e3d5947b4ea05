"""How a server reacts to each packet of a client, and how long it waits for one: a state machine without I/O.

Only the namespace ``/`` exists. Events that a client emits are dropped, as in any socket.io server without a listener
for them.
"""

from dataclasses import dataclass

import orjson

from sockets import packets
from sockets.packets import Packet, PacketError

MAX_BODY = 1_000_000  # bytes of one frame or HTTP body, socket.io's own default
UPGRADE_WINDOW_MS = 10_000
# Those of socket.io's own servers: 2.x (Engine.IO 3) waits 5 s for a pong, 3.x and 4.x wait 20 s.
PING_INTERVAL_MS, PING_TIMEOUTS_MS = 25_000, {3: 5_000, 4: 20_000}
_UNKNOWN_NAMESPACE = {"message": "Invalid namespace"}


def lifetime_ms(version: int) -> int:
    """Return how long a session lasts after its client's last sign of life."""
    return PING_INTERVAL_MS + PING_TIMEOUTS_MS[version]


def greeting(sid: str) -> str:
    """Return the first event of a client, which tells it the id of its socket."""
    return packets.encode_event("connectSuccess", {"state": True, "status": 200, "sid": sid, "msg": "连接成功"})


@dataclass(slots=True)
class Peer:
    """The state of one client.

    ``version`` is that of Engine.IO (3 or 4); ``is_joined``: it has entered the namespace ``/``; ``has_ponged``: it
    has answered a ping of ours; ``has_left``: it has sent a close packet.
    """

    sid: str
    version: int
    is_joined: bool = False
    has_ponged: bool = False
    has_left: bool = False

    def open(self, *, upgrades: bool) -> list[str]:
        """Return the first packets of a session. Clients of Engine.IO 3 never ask to enter ``/``: they just do."""
        handshake = {
            "sid": self.sid,
            "upgrades": ["websocket"] if upgrades else [],
            "pingInterval": PING_INTERVAL_MS,
            "pingTimeout": PING_TIMEOUTS_MS[self.version],
        }
        if self.version == 3:
            return [packets.OPEN + orjson.dumps(handshake).decode(), *self._join()]
        return [packets.OPEN + orjson.dumps(handshake | {"maxPayload": MAX_BODY}).decode()]

    def receive(self, packet: Packet) -> list[str]:
        """Change the state by one packet; return the packets that answer it.

        :raises PacketError: the packet breaks the protocol; close the connection.
        """
        match packet.kind:
            case packets.PING if self.version == 3:
                return [packets.PONG]
            case packets.PONG if self.version == 4:
                self.has_ponged = True
            case packets.CLOSE:
                self.has_left = True
            case packets.MESSAGE:
                return self._message(packet.data)
            case packets.NOOP:
                pass
            case _:
                raise PacketError("not for a server")
        return []

    def _message(self, data: str | None) -> list[str]:
        kind, namespace = (packets.EVENT, "/") if data is None else packets.decode_message(data)
        if kind == packets.CONNECT and namespace != "/":
            reason = _UNKNOWN_NAMESPACE if self.version == 4 else _UNKNOWN_NAMESPACE["message"]
            return [packets.encode_message(packets.CONNECT_ERROR, namespace, reason)]
        if kind == packets.CONNECT and not self.is_joined:  # clients 2.x may ask although they have joined
            return self._join()
        if kind == packets.DISCONNECT and namespace == "/":
            self.is_joined = False
        return []

    def _join(self) -> list[str]:
        self.is_joined = True
        data = {"sid": self.sid} if self.version == 4 else None
        return [packets.encode_message(packets.CONNECT, data=data), greeting(self.sid)]
