"""The wire formats of Engine.IO 3 and 4, and of Socket.IO on top of them. No I/O and no state.

``socket.io-client`` 1.x and 2.x speak Engine.IO 3; 3.x and 4.x speak Engine.IO 4. Over WebSocket each packet is one
frame. Polling puts several packets into one HTTP body, a payload; its format differs most between the two versions.
Sources: engine.io-protocol 3 and 4, socket.io-protocol 4 and 5, and ``tests/recordings`` of the real ones.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = "0123456"
CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

SEPARATOR = "\x1e"
MAX_PACKETS = 256  # in one payload; real clients stay far below
_MAX_LENGTH_DIGITS = 10
_END_OF_LENGTH = 255
_LENGTH = re.compile(rf"(\d{{1,{_MAX_LENGTH_DIGITS}}}):", re.ASCII)
_MESSAGE = re.compile(
    r"""
    (?P<kind>[0-6])
    (?:(?<=[56])(?P<attachments>\d{1,4})-)?
    (?:(?P<namespace>/[^,]*)(?:,|\Z))?
    (?P<id>\d{1,16})?
    (?P<data>.*)
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


class PacketError(ValueError):
    """The client sent something that the protocol does not allow."""


class Packet(NamedTuple):
    """An Engine.IO packet; ``data`` is bytes only in a binary message."""

    kind: str
    data: str | bytes = ""


class Message(NamedTuple):
    """A Socket.IO packet, as it travels inside an Engine.IO message."""

    kind: int
    namespace: str = "/"
    data: Any = None
    id: int | None = None
    attachments: int = 0


# --- One packet -------------------------------------------------------------------------------------


def decode_text(text: str, version: int) -> Packet:
    """Decode a packet from a text frame or a text payload.

    :raises PacketError: it is no packet.
    """
    if text[:1] == "b":
        return Packet(MESSAGE, _from_base64(text, version))
    if text[:1] not in tuple("0123456"):
        raise PacketError("unknown packet type")
    return Packet(text[0], text[1:])


def decode_binary(frame: bytes, version: int) -> Packet:
    """Decode a packet from a binary frame.

    :raises PacketError: it is no packet.
    """
    if version == 4:
        return Packet(MESSAGE, frame)
    if frame[:1] != b"\x04":
        raise PacketError("only messages are binary")
    return Packet(MESSAGE, frame[1:])


def _from_base64(text: str, version: int) -> bytes:
    start = "b4" if version == 3 else "b"
    if not text.startswith(start):
        raise PacketError("only messages are binary")
    try:
        return base64.b64decode(text[len(start) :], validate=True)
    except (binascii.Error, ValueError):
        raise PacketError("bad base64") from None


# --- A payload: the packets of one HTTP body --------------------------------------------------------


def encode_payload(packets: Iterable[str], version: int) -> str:
    """Join packets, encoded as text, to one HTTP body."""
    if version == 4:
        return SEPARATOR.join(packets)
    return "".join(f"{_units(packet)}:{packet}" for packet in packets)


def decode_payload(body: bytes, version: int, *, is_binary: bool = False) -> list[Packet]:
    """Split the body of a POST.

    :param is_binary: it came as ``application/octet-stream``, which only Engine.IO 3 does.
    :raises PacketError: malformed, or too many packets.
    """
    if is_binary and version != 3:
        raise PacketError("no binary payloads in this version")
    packets: list[Packet] = []
    for packet in _split_binary(body) if is_binary else _split_text(body, version):
        packets.append(packet)
        if len(packets) > MAX_PACKETS:
            raise PacketError("too many packets")
    if not packets:
        raise PacketError("empty payload")
    return packets


def _split_text(body: bytes, version: int) -> Iterator[Packet]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise PacketError("not UTF-8") from None
    parts = text.split(SEPARATOR, MAX_PACKETS + 1) if version == 4 else _split_counted(text)
    return (decode_text(part, version) for part in parts)


def _split_counted(text: str) -> Iterator[str]:
    # Engine.IO 3 writes lengths as JavaScript counts: a character above U+FFFF counts as two units.
    start = 0
    while start < len(text):
        length = _LENGTH.match(text, start)
        if length is None:
            raise PacketError("no length")
        end = _end(text, length.end(), int(length[1]))
        yield text[length.end() : end]
        start = end


def _end(text: str, start: int, units: int) -> int:
    end = start + units
    packet = text[start:end]
    if not packet.isascii():
        # Non-ASCII is rare: go through the characters until their units add up to the length.
        left, end = units, start
        while left > 0 and end < len(text):
            left -= 2 if text[end] > "\uffff" else 1
            end += 1
        if left:
            raise PacketError("wrong length")
    if end > len(text):
        raise PacketError("wrong length")
    return end


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _split_binary(body: bytes) -> Iterator[Packet]:
    """Split a binary payload of Engine.IO 3.

    Each packet is preceded by a byte 0 (text) or 1 (binary), the digits of its length as bytes 0 to 9, and a byte 255.
    """
    start = 0
    while start < len(body):
        end_of_length = body.find(_END_OF_LENGTH, start, start + _MAX_LENGTH_DIGITS + 2)
        kind, digits = body[start], body[start + 1 : end_of_length]
        if kind > 1 or end_of_length < 0 or not digits or max(digits) > 9:
            raise PacketError("bad length")
        length = int("".join(map(str, digits)))
        packet = body[end_of_length + 1 : end_of_length + 1 + length]
        if len(packet) != length:
            raise PacketError("wrong length")
        yield decode_binary(packet, 3) if kind else _text_of(packet)
        start = end_of_length + 1 + length


def _text_of(packet: bytes) -> Packet:
    try:
        return decode_text(packet.decode(), 3)
    except UnicodeDecodeError:
        raise PacketError("not UTF-8") from None


# --- Socket.IO --------------------------------------------------------------------------------------


def encode_message(message: Message) -> str:
    """Encode for the ``data`` of an Engine.IO message."""
    attachments = f"{message.attachments}-" if message.kind in {BINARY_EVENT, BINARY_ACK} else ""
    namespace = "" if message.namespace == "/" else f"{message.namespace},"
    number = "" if message.id is None else str(message.id)
    data = "" if message.data is None else orjson.dumps(message.data).decode()
    return f"{message.kind}{attachments}{namespace}{number}{data}"


def decode_message(text: str) -> Message:
    """Decode the ``data`` of an Engine.IO message.

    :raises PacketError: it is malformed, or its kind cannot carry such data.
    """
    found = _MESSAGE.fullmatch(text)
    if found is None:
        raise PacketError("not a message")
    kind = int(found["kind"])
    if kind in {BINARY_EVENT, BINARY_ACK} and found["attachments"] is None:
        raise PacketError("no number of attachments")
    # Engine.IO 3 clients append query parameters to the namespace.
    namespace = (found["namespace"] or "/").partition("?")[0]
    number = int(found["id"]) if found["id"] else None
    data = _json(found["data"]) if found["data"] else None
    if not _fits(kind, data):
        raise PacketError("wrong data for this kind")
    return Message(kind, namespace, data, number, int(found["attachments"] or 0))


def encode_event(name: str, data: Any) -> str:
    """Encode an event of the namespace ``/`` as a whole Engine.IO packet."""
    return MESSAGE + encode_message(Message(EVENT, data=[name, data]))


def decode_event(packet: str) -> tuple[str, Any]:
    """Return name and data of an event that :func:`encode_event` encoded."""
    name, data = orjson.loads(packet[2:])
    return name, data


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise PacketError("bad JSON") from None


def _fits(kind: int, data: Any) -> bool:
    match kind:
        case 0:  # CONNECT
            return data is None or isinstance(data, dict)
        case 1:  # DISCONNECT
            return data is None
        case 2 | 5:  # EVENT, BINARY_EVENT
            return isinstance(data, list) and bool(data) and isinstance(data[0], str | int)
        case 3 | 6:  # ACK, BINARY_ACK
            return isinstance(data, list)
        case _:  # CONNECT_ERROR
            return isinstance(data, str | dict)


def version_of(text: str | None) -> int | None:
    """Read the query parameter ``EIO``; return None for a version that is not supported."""
    return {"3": 3, "4": 4}.get(text or "")
