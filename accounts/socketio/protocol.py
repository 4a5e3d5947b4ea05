"""What a server owes a client for each packet: a state machine without I/O.

The namespace ``/`` is all there is, and nothing that a client emits means anything to this server; it is
checked and dropped, as any socket.io server does with events nobody listens to.
"""

from dataclasses import dataclass, field

import orjson

from accounts.socketio import packets
from accounts.socketio.packets import Message, Packet, PacketError

MAX_BODY = 1_000_000  # bytes of one frame or HTTP body, socket.io's own default
_NAMELESS = {"message": "Invalid namespace"}


@dataclass(slots=True)
class Reaction:
    """``replies`` are packets encoded as text, to be sent in order."""

    replies: list[str] = field(default_factory=list)
    has_joined: bool = False
    has_ponged: bool = False
    is_closed: bool = False


@dataclass(slots=True)
class Peer:
    """One client: ``version`` of Engine.IO, whether it is in ``/``, and binary messages still to come."""

    version: int
    is_joined: bool = False
    attachments: int = 0

    def receive(self, packet: Packet) -> Reaction:
        """:raises PacketError: the client must be cut off."""
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
        """Enter ``/``, which Engine.IO 3 clients do without asking."""
        self.is_joined = True
        data = {"sid": sid} if self.version == 4 else None
        return [packets.MESSAGE + packets.encode_message(Message(packets.CONNECT, data=data))]

    def _message(self, data: str | bytes) -> Reaction:
        if isinstance(data, bytes):
            self.attachments -= 1
            if self.attachments < 0:
                raise PacketError("binary data out of place")
            return Reaction()
        if self.attachments:
            raise PacketError("text where binary data must come")
        message = packets.decode_message(data)
        if message.namespace != "/":
            return self._elsewhere(message)
        return self._in_root(message)

    def _in_root(self, message: Message) -> Reaction:
        if message.kind == packets.CONNECT:
            if self.is_joined:
                # 2.x clients may ask for what they already have; 3.x and 4.x clients never do.
                if self.version == 3:
                    return Reaction()
                raise PacketError("already connected")
            return Reaction(has_joined=True)
        if not self.is_joined or message.kind == packets.CONNECT_ERROR:
            raise PacketError("not connected")
        if message.kind == packets.DISCONNECT:
            self.is_joined = False
        self.attachments = message.attachments
        return Reaction()

    def _elsewhere(self, message: Message) -> Reaction:
        if message.kind == packets.CONNECT:
            reason = _NAMELESS if self.version == 4 else _NAMELESS["message"]
            answer = Message(packets.CONNECT_ERROR, message.namespace, reason)
            return Reaction([packets.MESSAGE + packets.encode_message(answer)])
        if message.kind == packets.DISCONNECT:
            return Reaction()
        raise PacketError("not connected")


def open_packet(sid: str, version: int, *, upgrades: bool, interval_ms: int, timeout_ms: int) -> str:
    """The first packet of a session, encoded as text."""
    handshake = {
        "sid": sid,
        "upgrades": ["websocket"] if upgrades else [],
        "pingInterval": interval_ms,
        "pingTimeout": timeout_ms,
    }
    if version == 4:
        handshake["maxPayload"] = MAX_BODY
    return packets.OPEN + orjson.dumps(handshake).decode()
