"""The codec, against what real clients and servers were recorded to say, and against nonsense."""

import json
from pathlib import Path

import pytest

from sockets import packets
from sockets.packets import PacketError

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("server-*.json"))


def entries(file):
    recording = json.loads(file.read_text("utf-8"))
    version = 3 if recording["client"].startswith("2.") else 4
    # These are "ok", no packets.
    return [
        (version, entry) for entry in recording["log"] if (entry["from"], entry.get("method")) != ("server", "POST")
    ]


def decoded(version, entry):
    if entry["via"] == "polling":
        return packets.decode_payload(entry["text"].encode(), version)
    return [packets.decode_text(entry["text"])] if "text" in entry else [packets.BINARY]


def as_text(packet):
    assert packet.data is not None
    return packet.kind + packet.data


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_reads_and_writes_every_recorded_payload(file):
    received = []
    for version, entry in entries(file):
        payload = decoded(version, entry)
        if entry["via"] == "polling" and packets.BINARY not in payload:
            assert packets.encode_payload(map(as_text, payload), version) == entry["text"]
        received += payload

    texts = [packet.data for packet in received if packet.kind == packets.MESSAGE and packet.data is not None]
    messages = [packets.decode_message(data) for data in texts]
    assert [json.loads(data[1:]) for data in texts if data.startswith('2["hello"')] == [
        ["hello", "中文 😀", {"list": [1, None, "\u2028\x1e"]}]
    ]
    assert received.count(packets.BINARY) == 3
    assert {(packets.ACK, "/"), (packets.CONNECT, "/admin"), (packets.CONNECT_ERROR, "/admin")} <= {*messages}


@pytest.mark.parametrize(
    ("version", "body"),
    [
        *[(4, body) for body in (b"", b"\x1e", b"7", b"x", b"3\x1e", b"\xff", b"3\x1e" * 400 + b"3")],
        *[(3, body) for body in (b"", b"2", b":2", b"1:", b"2:2", b"0:", b"-1:2", b"+1:2", b"1;2", b"9" * 50 + b":2")],
        *[(3, body) for body in (b"1:9", "1:😀".encode(), "2:4😀".encode(), b"1:2" * 300)],
        (3, "1:２".encode()),
    ],
)
def test_refuses_malformed_payloads(version, body):
    with pytest.raises(PacketError):
        packets.decode_payload(body, version)
