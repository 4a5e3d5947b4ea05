"""The state machine: what each packet earns a client, at any point of its life."""

import pytest

from sockets import packets
from sockets.packets import Packet, PacketError
from sockets.protocol import Peer, Reaction


def joined(version):
    peer = Peer(version)
    peer.join("abcdefghijklmnopqrstuvwx")
    return peer


def message(text):
    return Packet(packets.MESSAGE, text)


@pytest.mark.parametrize(
    ("version", "packet", "reaction"),
    [
        (3, Packet("2"), Reaction(["3"])),
        (3, Packet("2", "probe"), Reaction(["3"])),
        (4, Packet("3"), Reaction(has_ponged=True)),
        (4, Packet("1"), Reaction(is_closed=True)),
        (3, Packet("6"), Reaction()),
        (4, message("0"), Reaction()),
        (3, message("0"), Reaction()),
        (4, message('2["any",{"thing":1}]'), Reaction()),
        (4, message('27["any"]'), Reaction()),
        (4, message('30["x"]'), Reaction()),
        (4, packets.BINARY, Reaction()),
        (4, message("0/admin,"), Reaction(['44/admin,{"message":"Invalid namespace"}'])),
        (3, message("0/admin?a=b,"), Reaction(['44/admin,"Invalid namespace"'])),
        (3, message("1/admin,"), Reaction()),
    ],
)
def test_answers_each_packet_as_the_protocol_says(version, packet, reaction):
    assert joined(version).receive(packet) == reaction


@pytest.mark.parametrize(
    ("version", "packet"),
    [
        (4, Packet("2")),
        (3, Packet("3")),
        *[(version, Packet(kind)) for version in (3, 4) for kind in "05"],
        (4, message("nonsense")),
    ],
)
def test_cuts_off_who_breaks_the_protocol(version, packet):
    with pytest.raises(PacketError):
        joined(version).receive(packet)
