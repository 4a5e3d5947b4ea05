"""The codec, against what real clients and servers were recorded to say, and against nonsense."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockets import packets
from sockets.packets import Message, Packet, PacketError

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("server-*.json"))
KINDS = {"message": packets.MESSAGE, "ping": packets.PING}


def entries(file: Path) -> list[tuple[int, dict[str, Any]]]:
    recording = json.loads(file.read_text("utf-8"))
    version = 3 if recording["client"].startswith("2.") else 4
    # These are "ok", no packets.
    return [
        (version, entry) for entry in recording["log"] if (entry["from"], entry.get("method")) != ("server", "POST")
    ]


def decoded(version: int, entry: dict[str, Any]) -> list[Packet]:
    if entry["via"] == "polling":
        return packets.decode_payload(entry["text"].encode(), version)
    if "text" in entry:
        return [packets.decode_text(entry["text"], version)]
    return [packets.decode_binary(base64.b64decode(entry["base64"]), version)]


def as_text(packet: Packet, version: int) -> str:
    """Encode a packet for a text frame or a text payload; binary data becomes base64."""
    if isinstance(packet.data, bytes):
        return ("b4" if version == 3 else "b") + base64.b64encode(packet.data).decode()
    return packet.kind + packet.data


def as_javascript(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def test_there_are_recordings_of_every_client_and_transport() -> None:
    assert len(RECORDINGS) == 12


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_reads_and_writes_every_recorded_packet(file: Path) -> None:
    for version, entry in entries(file):
        found = decoded(version, entry)

        if entry["via"] == "polling":
            texts = [as_text(packet, version) for packet in found]
            assert packets.encode_payload(texts, version) == entry["text"]
        elif "text" in entry:
            assert as_text(found[0], version) == entry["text"]
        else:
            assert base64.b64decode(entry["base64"]) == (b"\x04" if version == 3 else b"") + found[0].data


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_reads_and_writes_every_recorded_message(file: Path) -> None:
    for version, entry in entries(file):
        for packet in decoded(version, entry):
            if packet.kind == packets.MESSAGE and isinstance(packet.data, str) and "?" not in packet.data:
                message = packets.decode_message(packet.data)
                assert packets.encode_message(message) == packet.data


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_finds_what_was_recorded(file: Path) -> None:
    said = [packet.data for version, entry in entries(file) for packet in decoded(version, entry)]
    messages = [
        packets.decode_message(packet.data)
        for version, entry in entries(file)
        for packet in decoded(version, entry)
        if packet.kind == packets.MESSAGE and isinstance(packet.data, str)
    ]

    assert Message(packets.EVENT, data=["hello", "中文 😀", {"list": [1, None, "\u2028\x1e"]}]) in messages
    assert bytes([0, 1, 2, 255, 30, 10]) in said
    assert "二进制".encode() in said
    assert Message(packets.ACK, data=["好 😀"], id=0) in messages
    assert [m.attachments for m in messages if m.kind == packets.BINARY_EVENT] == [2, 1]
    assert any(m.namespace == "/admin" and m.kind == packets.CONNECT for m in messages)
    assert any(m.namespace == "/admin" and m.kind == packets.CONNECT_ERROR for m in messages)


def test_reads_the_binary_payloads_that_browsers_send() -> None:
    samples = json.loads((Path(__file__).parent / "recordings" / "binary-payloads-3.json").read_text("utf-8"))
    assert len(samples) == 2

    for sample in samples:
        wanted = [
            Packet(KINDS[p["type"]], base64.b64decode(p["base64"]) if "base64" in p else p["text"])
            for p in sample["packets"]
        ]
        assert packets.decode_payload(base64.b64decode(sample["base64"]), 3, is_binary=True) == wanted


@pytest.mark.parametrize(
    ("version", "payload", "wanted"),
    [
        (3, "1:2", [Packet("2")]),
        (3, "6:4😀a中b2:41", [Packet("4", "😀a中b"), Packet("4", "1")]),
        (3, "4:4😀a2:40", [Packet("4", "😀a"), Packet("4", "0")]),
        (3, "7:2probe\x1e1:1", [Packet("2", "probe\x1e"), Packet("1")]),
        (4, "2probe", [Packet("2", "probe")]),
        (4, "3\x1e3", [Packet("3"), Packet("3")]),
        (4, "4a:b\x1ebAAE=", [Packet("4", "a:b"), Packet("4", b"\0\1")]),
        (4, "b", [Packet("4", b"")]),
    ],
)
def test_splits_payloads(version: int, payload: str, wanted: list[Packet]) -> None:
    assert packets.decode_payload(payload.encode(), version) == wanted


@pytest.mark.parametrize(
    ("version", "body"),
    [
        *[(4, body) for body in (b"", b"\x1e", b"7", b"x", b"3\x1e", b"b!", b"bAAE", b"\xff", b"3\x1e" * 400 + b"3")],
        *[(3, body) for body in (b"", b"2", b":2", b"1:", b"2:2", b"0:", b"-1:2", b"+1:2", b"1;2", b"9" * 50 + b":2")],
        *[(3, body) for body in (b"1:9", b"2:bA", b"3:b5A", "1:😀".encode(), "2:4😀".encode(), b"1:2" * 300)],
        (3, "1:２".encode()),
    ],
)
def test_refuses_malformed_payloads(version: int, body: bytes) -> None:
    with pytest.raises(PacketError):
        packets.decode_payload(body, version)


@pytest.mark.parametrize(
    "body",
    [
        b"\x02",
        b"\0",
        b"\0\1",
        b"\0\xff",
        b"\0\1\xff",
        b"\0\x0a\xff2",
        b"\1\1\xff5",
        b"\0\1\xff\xff",
        b"\0" + b"\1" * 40,
    ],
)
def test_refuses_malformed_binary_payloads(body: bytes) -> None:
    with pytest.raises(PacketError):
        packets.decode_payload(body, 3, is_binary=True)


def test_refuses_a_binary_payload_from_newer_clients() -> None:
    with pytest.raises(PacketError):
        packets.decode_payload(b"\0\1\xff2", 4, is_binary=True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0", Message(packets.CONNECT)),
        ('0{"token":"a"}', Message(packets.CONNECT, data={"token": "a"})),
        ("0/admin,", Message(packets.CONNECT, "/admin")),
        ("0/admin", Message(packets.CONNECT, "/admin")),
        ("0/admin?a=b,", Message(packets.CONNECT, "/admin")),
        ("1", Message(packets.DISCONNECT)),
        ('2["a"]', Message(packets.EVENT, data=["a"])),
        ("2[1]", Message(packets.EVENT, data=[1])),
        ('212["a",{"b":1}]', Message(packets.EVENT, data=["a", {"b": 1}], id=12)),
        ('2/chat,7["a"]', Message(packets.EVENT, "/chat", ["a"], 7)),
        ("30[]", Message(packets.ACK, data=[], id=0)),
        ('4{"message":"no"}', Message(packets.CONNECT_ERROR, data={"message": "no"})),
        (
            '51-["a",{"_placeholder":true,"num":0}]',
            Message(5, data=["a", {"_placeholder": True, "num": 0}], attachments=1),
        ),
        ('61-/a,4["a"]', Message(6, "/a", ["a"], 4, 1)),
    ],
)
def test_reads_messages(text: str, wanted: Message) -> None:
    assert packets.decode_message(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("", "7", "x", "9[]", "２[]", "2", "2{}", "2[]", "2[null]", '2[["a"]]', '2"a"', '2["a"', '2["a"]x', "2[NaN]"),
        *('5["a"]', '5-["a"]', '5x-["a"]', '599999-["a"]', '21-["a"]', '2-1["a"]', '2/chat["a"]', '2["\\ud800"]'),
        *("0[]", '0"a"', "1{}", "1[]", "3", "3{}", "4", "4[]", "4null", "2" + "1" * 17 + '["a"]', "2" + "[" * 5000),
    ],
)
def test_refuses_malformed_messages(text: str) -> None:
    with pytest.raises(PacketError):
        packets.decode_message(text)


def test_writes_the_events_that_clients_expect() -> None:
    event = packets.encode_event("connectSuccess", {"state": True, "sid": "a", "msg": "连接成功"})

    assert event == '42["connectSuccess",{"state":true,"sid":"a","msg":"连接成功"}]'
    assert packets.decode_event(event) == ("connectSuccess", {"state": True, "sid": "a", "msg": "连接成功"})


@pytest.mark.parametrize(("text", "wanted"), [("3", 3), ("4", 4), ("2", None), ("", None), (None, None), ("04", None)])
def test_knows_the_versions_it_speaks(text: str | None, wanted: int | None) -> None:
    assert packets.version_of(text) == wanted


versions = st.sampled_from([3, 4])
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=10,
)


@given(versions, st.lists(st.binary() | texts.filter(lambda t: "\x1e" not in t), min_size=1, max_size=8))
def test_a_payload_survives_the_way_there_and_back(version: int, datas: list[bytes | str]) -> None:
    sent = [Packet(packets.MESSAGE, data) for data in datas]

    payload = packets.encode_payload([as_text(packet, version) for packet in sent], version)

    assert packets.decode_payload(payload.encode(), version) == sent


@given(texts, json_values)
def test_an_event_survives_the_way_there_and_back(name: str, data: Any) -> None:
    event = packets.encode_event(name, data)

    assert "\x1e" not in event, "would end the packet in a payload"
    assert packets.decode_event(event) == (name, data)
    assert packets.decode_message(event[1:]).data == [name, data]


@given(versions, st.binary(max_size=200), st.booleans())
def test_any_body_is_read_or_refused(version: int, body: bytes, is_binary: bool) -> None:
    try:
        for packet in packets.decode_payload(body, version, is_binary=is_binary):
            assert packet.kind in "0123456"
    except PacketError:
        pass


@given(st.text(max_size=100) | texts.map(lambda t: "2" + as_javascript([t])))
def test_any_message_is_read_or_refused(text: str) -> None:
    try:
        packets.decode_message(text)
    except PacketError:
        pass


@given(versions, st.text(max_size=50) | st.binary(max_size=50))
def test_any_frame_is_read_or_refused(version: int, frame: str | bytes) -> None:
    decode = packets.decode_text if isinstance(frame, str) else packets.decode_binary
    try:
        decode(frame, version)
    except PacketError:
        pass
