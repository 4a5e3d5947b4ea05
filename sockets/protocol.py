"""How a server reacts to each packet of a client: a state machine without I/O.

Only the namespace ``/`` exists. Events that a client emits are dropped, as in any socket.io server without a listener
for them.
"""

from dataclasses import dataclass, field

import orjson

from sockets import packets
from sockets.packets import Message, Packet, PacketError

MAX_BODY = 1_000_000  # bytes of one frame or HTTP body, socket.io's own default
_UNKNOWN_NAMESPACE = {"message": "Invalid namespace"}


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

    def join(self, sid: str) -> list[str]:
        """Enter the namespace ``/`` and return the packet that confirms it; Engine.IO 3 clients never request it."""
        self.is_joined = True
        data = {"sid": sid} if self.version == 4 else None
        return [packets.encode_message(packets.CONNECT, data=data)]

    def _message(self, data: str | None) -> Reaction:
        if data is None:
            return Reaction()
        message = packets.decode_message(data)
        if message.namespace != "/":
            return self._in_other_namespace(message)
        return self._in_root(message)

    def _in_root(self, message: Message) -> Reaction:
        if message.kind == packets.CONNECT:
            if self.is_joined:
                # Clients 2.x may ask to join although they have joined; clients 3.x and 4.x never do.
                if self.version == 3:
                    return Reaction()
                raise PacketError("already connected")
            return Reaction(has_joined=True)
        if not self.is_joined or message.kind == packets.CONNECT_ERROR:
            raise PacketError("not connected")
        if message.kind == packets.DISCONNECT:
            self.is_joined = False
        return Reaction()

    def _in_other_namespace(self, message: Message) -> Reaction:
        if message.kind == packets.CONNECT:
            reason = _UNKNOWN_NAMESPACE if self.version == 4 else _UNKNOWN_NAMESPACE["message"]
            return Reaction([packets.encode_message(packets.CONNECT_ERROR, message.namespace, reason)])
        if message.kind == packets.DISCONNECT:
            return Reaction()
        raise PacketError("not connected")


def open_packet(sid: str, version: int, *, upgrades: bool, interval_ms: int, timeout_ms: int) -> str:
    """Return the first packet of a session, encoded as text."""
    handshake = {
        "sid": sid,
        "upgrades": ["websocket"] if upgrades else [],
        "pingInterval": interval_ms,
        "pingTimeout": timeout_ms,
    }
    if version == 4:
        handshake["maxPayload"] = MAX_BODY
    return packets.OPEN + orjson.dumps(handshake).decode()
