"""How a server reacts to each packet of a client, and how long it waits for one: a state machine without I/O.

Only the namespace ``/`` exists. Events that a client emits are dropped, as in any socket.io server without a listener
for them.
"""

from dataclasses import dataclass, field

import orjson

from sockets import packets
from sockets.packets import Packet, PacketError

MAX_BODY = 1_000_000  # bytes of one frame or HTTP body, socket.io's own default
UPGRADE_WINDOW_MS = 10_000
# Those of socket.io's own servers: 2.x (Engine.IO 3) waits 5 s for a pong, 3.x and 4.x wait 20 s.
PING_INTERVAL_MS, PING_TIMEOUTS_MS = 25_000, {3: 5_000, 4: 20_000}
_UNKNOWN_NAMESPACE = {"message": "Invalid namespace"}


@dataclass(frozen=True)
class Timing:
    """The heartbeat in milliseconds, as the handshake announces it to the client."""

    interval_ms: int
    timeout_ms: int

    @property
    def ttl_ms(self) -> int:
        """How long a session lasts after its client's last sign of life."""
        return self.interval_ms + self.timeout_ms


def timing(version: int) -> Timing:
    """Return the heartbeat for a version of Engine.IO."""
    return Timing(PING_INTERVAL_MS, PING_TIMEOUTS_MS[version])


@dataclass(slots=True)
class Reaction:
    """What to do after a packet. ``replies`` are encoded packets, to be sent in order."""

    replies: list[str] = field(default_factory=list)
    has_joined: bool = False
    has_ponged: bool = False
    is_closed: bool = False


@dataclass(slots=True)
class Peer:
    """The state of one client.

    ``version`` is that of Engine.IO (3 or 4); ``is_joined``: it has entered the namespace ``/``.
    """

    version: int
    is_joined: bool = False

    def receive(self, packet: Packet) -> Reaction:
        """Change the state by one packet and return the reaction.

        :raises PacketError: the packet breaks the protocol; close the connection.
        """
        match packet.kind:
            case packets.PING if self.version == 3:
                return Reaction([packets.PONG])
            case packets.PONG if self.version == 4:
                return Reaction(has_ponged=True)
            case packets.CLOSE:
                return Reaction(is_closed=True)
            case packets.NOOP:
                return Reaction()
            case packets.MESSAGE:
                return self._message(packet.data)
        raise PacketError("not for a server")

    def join(self, sid: str) -> str:
        """Enter the namespace ``/`` and return the packet that confirms it; Engine.IO 3 clients never request it."""
        self.is_joined = True
        data = {"sid": sid} if self.version == 4 else None
        return packets.encode_message(packets.CONNECT, data=data)

    def _message(self, data: str | None) -> Reaction:
        kind, namespace = (packets.EVENT, "/") if data is None else packets.decode_message(data)
        if kind == packets.CONNECT and namespace != "/":
            reason = _UNKNOWN_NAMESPACE if self.version == 4 else _UNKNOWN_NAMESPACE["message"]
            return Reaction([packets.encode_message(packets.CONNECT_ERROR, namespace, reason)])
        if kind == packets.CONNECT:
            return Reaction(has_joined=not self.is_joined)  # clients 2.x may ask although they have joined
        if kind == packets.DISCONNECT and namespace == "/":
            self.is_joined = False
        return Reaction()


def open_packet(sid: str, version: int, *, upgrades: bool) -> str:
    """Return the first packet of a session, encoded as text."""
    times = timing(version)
    handshake = {
        "sid": sid,
        "upgrades": ["websocket"] if upgrades else [],
        "pingInterval": times.interval_ms,
        "pingTimeout": times.timeout_ms,
    }
    if version == 4:
        handshake["maxPayload"] = MAX_BODY
    return packets.OPEN + orjson.dumps(handshake).decode()
