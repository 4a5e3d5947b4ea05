"""The wire formats of Engine.IO 3 and 4, and of Socket.IO on top of them. No I/O and no state.

No event that a client emits has a listener here. So what it says is not read: not its JSON, and not its binary data,
which Engine.IO 3 also sends in a payload of its own format (``application/octet-stream``).

``socket.io-client`` 1.x and 2.x speak Engine.IO 3; 3.x and 4.x speak Engine.IO 4. Over WebSocket each packet is one
frame. Polling puts several packets into one HTTP body, a payload; its format differs most between the two versions.
Sources: engine.io-protocol 3 and 4, socket.io-protocol 4 and 5; ``tests/clients`` tries the real clients.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"
CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR = range(5)

SEPARATOR = "\x1e"
MAX_PACKETS = 256  # in one payload; real clients stay far below
MAX_LENGTH_DIGITS = 10
MAX_NAMESPACE = 100  # characters; the refusal of one names it, and waits in Valkey until the client asks
_MESSAGE = re.compile(r"(?P<kind>[0-6])(?:\d{1,4}-)?(?P<namespace>/[^,?]*)?", re.ASCII)


class PacketError(ValueError):
    """The client sent something that the protocol does not allow."""


class Packet(NamedTuple):
    """An Engine.IO packet; ``data`` is None in a binary message."""

    kind: str
    data: str | None = ""


BINARY = Packet(MESSAGE, None)

# --- One packet -------------------------------------------------------------------------------------


def decode_text(text: str) -> Packet:
    """Decode a packet from a text frame or a text payload.

    :raises PacketError: it is no packet.
    """
    if text[:1] == "b":  # binary data as base64
        return BINARY
    if text[:1] not in tuple("0123456"):
        raise PacketError("unknown packet type")
    return Packet(text[0], text[1:])


# --- A payload: the packets of one HTTP body --------------------------------------------------------


def encode_payload(packets: Iterable[str], version: int) -> str:
    """Join packets, encoded as text, to one HTTP body."""
    if version == 4:
        return SEPARATOR.join(packets)
    return "".join(f"{_units(packet)}:{packet}" for packet in packets)


def decode_payload(body: bytes, version: int) -> list[Packet]:
    """Split the body of a POST.

    :raises PacketError: malformed, or too many packets.
    """
    try:
        text = body.decode()
        parts = text.split(SEPARATOR, MAX_PACKETS + 1) if version == 4 else _split_counted(text)
        packets = list(map(decode_text, islice(parts, MAX_PACKETS + 1)))
    except UnicodeDecodeError:
        raise PacketError("not UTF-8, or a length that ends within a character") from None
    if not 0 < len(packets) <= MAX_PACKETS:
        raise PacketError("empty payload, or too many packets")
    return packets


def _split_counted(text: str) -> Iterator[str]:
    # Engine.IO 3 writes lengths as JavaScript counts: in units of UTF-16, each of which has two bytes.
    units, start = text.encode("utf-16-le"), 0
    while start < len(units):
        head = units[start : start + 2 * MAX_LENGTH_DIGITS].decode("utf-16-le", "replace")
        length, colon, _ = head.partition(":")
        if not (colon and length.isascii() and length.isdecimal()):
            raise PacketError("no length")
        start += 2 * len(length + colon)
        end = start + 2 * int(length)
        if end > len(units):
            raise PacketError("wrong length")
        yield units[start:end].decode("utf-16-le")
        start = end


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# --- Socket.IO --------------------------------------------------------------------------------------


def encode_message(kind: int, namespace: str = "/", data: Any = None) -> str:
    """Encode a whole Engine.IO packet."""
    place = "" if namespace == "/" else f"{namespace},"
    return f"{MESSAGE}{kind}{place}{'' if data is None else orjson.dumps(data).decode()}"


def decode_message(text: str) -> tuple[int, str]:
    """Return kind and namespace of a Socket.IO packet, as it travels inside an Engine.IO message.

    :raises PacketError: it has none, or too long a namespace.
    """
    head = _MESSAGE.match(text)
    if head is None or len(head["namespace"] or "") > MAX_NAMESPACE:
        raise PacketError("not a message")
    return int(head["kind"]), head["namespace"] or "/"


def encode_event(name: str, data: Any) -> str:
    """Encode an event of the namespace ``/`` as a whole Engine.IO packet."""
    return encode_message(EVENT, data=[name, data])


def decode_event(packet: str) -> tuple[str, Any]:
    """Return name and data of an event that :func:`encode_event` encoded."""
    name, data = orjson.loads(packet[2:])
    return name, data
