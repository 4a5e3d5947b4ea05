import asyncio
import json
import logging
from functools import partial
from unittest.mock import AsyncMock, patch

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.cache import valkey
from sockets import sessions
from sockets.protocol import Peer
from sockets.tests.asgi import CLIENT, GREETING, Client, WebSocket, emit, in_another_process

pytestmark = pytest.mark.asyncio


def engine(version="4", **more):
    return WebSocket(EIO=version, transport="websocket", **more)


async def joined(ws, version="4"):
    """Come through the handshake; answers the sid."""
    sid = json.loads((await ws.text())[1:])["sid"]
    if version == "4":
        ws.send("40")
        assert await ws.text() == f'40{{"sid":"{sid}"}}'
    else:
        assert await ws.text() == "40"
    assert await ws.text() == GREETING % sid
    return sid


@pytest.mark.parametrize("version", ["3", "4"])
async def test_greets_and_carries_events(version):
    async with engine(version) as ws:
        assert ws.first == {"type": "websocket.accept"}
        sid = await joined(ws, version)
        ws.send('452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')  # the server ignores it
        ws.send(b"\0\xff")
        ws.send(b"")
        assert await emit(sid, "好 😀")
        assert await ws.text() == '42["news","好 😀"]'
        ws.send("41")
        await asyncio.sleep(0.1)
        assert not sessions.is_live(sid) and not await emit(sid), "it has left the namespace"
        ws.send("40")
        assert (await ws.text()).startswith("40") and await ws.text() == GREETING % sid and sessions.is_live(sid)
    assert not sessions.is_live(sid) and not await emit(sid)


@pytest.mark.parametrize("to", [partial(engine, "3"), partial(engine, "4"), partial(WebSocket, "/ws/login")])
async def test_the_handshake_fails_while_valkey_is_away(to, monkeypatch):
    monkeypatch.setattr(sessions.Sessions, "open", AsyncMock(side_effect=redis.ConnectionError))

    async with to() as ws:
        assert ws.first["type"] == "websocket.close"


@pytest.mark.parametrize("is_sandbox", [True, False])
async def test_only_a_sandbox_finds_a_client_by_its_address(settings, is_sandbox):
    settings.SANDBOX = is_sandbox

    async def sids():
        return set(await asyncio.to_thread(sessions.sids_at, CLIENT[0]))

    async with engine() as ws:
        assert await sids() == set(), "has not joined yet"
        sid = await joined(ws)
        assert await sids() == ({sid} if is_sandbox else set())
        async with WebSocket("/ws/login"):
            assert len(await sids()) == (2 if is_sandbox else 0)
    polling = Client("3")
    await polling.connect()
    assert await sids() == ({polling.sid} if is_sandbox else set())


async def test_to_find_a_client_by_its_address_asks_about_the_newest_of_that_address_alone():
    """A stranger may open any number, and other addresses have theirs."""
    ours = sessions.Sessions()
    for number in range(1010):
        await ours.open(Peer(f"s{number:04}", 4, is_joined=True), sessions.WEBSOCKET, "10.0.0.7")
    await ours.open(Peer("other", 4, is_joined=True), sessions.WEBSOCKET, "10.0.0.8")
    await ours.close("s1009")
    await ours.client.connection_pool.disconnect()

    with patch.object(redis.Redis, "execute_command", autospec=True, side_effect=redis.Redis.execute_command) as asked:
        assert sessions.sids_at("10.0.0.7") == [f"s{number:04}" for number in range(10, 1009)]

    assert [call.args[1] for call in asked.call_args_list] == ["ZRANGE"]


@pytest.mark.usefixtures("quick")
async def test_an_event_that_the_hub_does_not_hear_of_arrives_all_the_same(monkeypatch):
    monkeypatch.setattr("sockets.hub.Hub._ring", lambda *_: None)

    async with engine() as ws:
        await emit(await joined(ws))
        assert await ws.text() == '42["news","x"]'


@pytest.mark.usefixtures("quick")
async def test_heartbeats_go_both_ways_and_who_is_silent_is_closed(monkeypatch):
    monkeypatch.setattr("sockets.consumers.CLOSE_PATIENCE_S", 0.1)

    # At the same time, because a client lives for seconds.
    await asyncio.gather(_beats_and_falls_silent("3", "2", "3"), _beats_and_falls_silent("4", "3", "2"))


async def _beats_and_falls_silent(version, ping, pong):
    async with engine(version) as ws, engine("4") as outsider:
        sid = await joined(ws, version)
        for _ in range(8):  # longer than a client without heartbeats lives
            await asyncio.sleep(0.3)
            ws.send(ping)
            assert await ws.text() == pong
        assert sessions.is_live(sid)
        while (event := await ws.event())["type"] != "websocket.close":
            assert (version, event["text"]) == ("4", "2"), "in version 3 the client asks"
        assert event["code"] == 1000
        await asyncio.wait([ws.task])  # from a client that has vanished no disconnect comes
        assert not ws.task.cancelled()  # servers write a traceback then
        assert not sessions.is_live(sid)
        assert [(await outsider.event())["type"] for _ in range(2)][1] == "websocket.close", "it has never joined"


@pytest.mark.parametrize(
    ("version", "frame", "answers"),
    [
        *[("3", frame, ["3"]) for frame in ("2", "2probe")],
        *[("3", frame, []) for frame in ("6", "40", "41/admin,")],
        *[("4", frame, []) for frame in ("3", "40", '42["any",{"thing":1}]', '427["any"]', '430["x"]', b"\0")],
        ("3", "40/admin?a=b,", ['44/admin,"Invalid namespace"']),
        ("4", "40/admin,", ['44/admin,{"message":"Invalid namespace"}']),
    ],
)
async def test_answers_each_packet_as_the_protocol_says(version, frame, answers):
    async with engine(version) as ws:
        sid = await joined(ws, version)
        ws.send(frame)
        for answer in answers:
            assert await ws.text() == answer
        await emit(sid)
        assert await ws.text() == '42["news","x"]'


@pytest.mark.parametrize("version", ["3", "4"])
@pytest.mark.parametrize("frame", ["", "nonsense", "0", "5", "4nonsense", "wrong heartbeat"])
async def test_malformed_packets_close_the_connection_without_a_trace(version, frame, caplog):
    frame = frame.replace("wrong heartbeat", "2" if version == "4" else "3")
    with caplog.at_level(logging.DEBUG, "sockets"):
        async with engine(version) as ws:
            sid = await joined(ws, version)
            ws.send(frame)
            assert await ws.event() == {"type": "websocket.close", "code": 1000}
        assert not sessions.is_live(sid)
    assert not caplog.records


@pytest.mark.parametrize("path", ["/socket.io/", "/ws/login"])
async def test_oversized_frames_close_the_connection(path):
    for frame in ("4" * 1_000_001, b"4" * 1_000_001):
        async with WebSocket(path, EIO="4", transport="websocket") as ws:
            await ws.text()
            ws.send(frame)
            assert await ws.event() == {"type": "websocket.close", "code": 1009}


FRONT, EVIL = "https://front.example", "https://evil.example"


@pytest.mark.parametrize(
    ("path", "origin", "changes", "first"),
    [
        ("/socket.io/", FRONT, {}, "accept"),
        ("/ws/login", FRONT, {}, "accept"),
        ("/socket.io/", EVIL, {}, "close"),
        ("/ws/login", EVIL, {}, "close"),
        ("/socket.io/", FRONT, {"EIO": "2"}, "close"),
        ("/socket.io/", FRONT, {"transport": "polling"}, "close"),
        ("/socket.io/", FRONT, {"sid": "a" * 24}, "close"),
        ("/socket.io/", FRONT, {"sid": "../../x"}, "close"),
        ("/elsewhere", FRONT, {}, "close"),
    ],
)
async def test_accepts_what_it_serves_from_listed_origins(path, origin, changes, first, settings):
    settings.CORS_ALLOW_ALL_ORIGINS, settings.CORS_ALLOWED_ORIGINS = False, [FRONT]

    async with WebSocket(path, {"origin": origin}, **({"EIO": "4", "transport": "websocket"} | changes)) as ws:
        assert ws.first["type"] == f"websocket.{first}"


# --- Upgrades ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3", "4"])
async def test_a_polling_client_moves_to_a_websocket_of_another_process(version):
    client = Client(version)
    await in_another_process(client.connect)
    poll = asyncio.create_task(client.poll())
    async with engine(version, sid=client.sid) as ws:
        ws.send("2probe")
        assert await ws.text() == "3probe"
        assert (await asyncio.wait_for(poll, 2)).text in {"6", "1:6"}
        await emit(client.sid, "between")
        ws.send("5")
        assert await ws.text() == '42["news","between"]'
        await emit(client.sid, "after")
        assert await ws.text() == '42["news","after"]'
        assert (await client.poll()).json() == {"code": 3, "message": "Bad request"}
        assert sessions.is_live(client.sid)
    assert not sessions.is_live(client.sid)


async def test_polling_goes_on_when_the_websocket_gives_up_or_sends_no_probe():
    client = Client("4")
    await client.connect()
    async with engine(sid=client.sid) as ws:
        ws.send("2probe")
        await ws.text()
    for frame in ("2", "40", "3probe", "nonsense", b"\0"):
        async with engine(sid=client.sid) as ws:
            ws.send(frame)
            assert (await ws.event())["type"] == "websocket.close"
    poll = asyncio.create_task(client.poll())
    await asyncio.sleep(0.2)
    assert not poll.done(), "no more short polls"
    await emit(client.sid)
    assert (await poll).text == '42["news","x"]'


async def test_of_two_websockets_one_takes_over():
    client = Client("4")
    await client.connect()
    async with engine(sid=client.sid) as first, engine(sid=client.sid) as second:
        for ws in (first, second):
            ws.send("2probe")
            await ws.text()
            ws.send("5")
        assert (await second.event())["type"] == "websocket.close"
        await emit(client.sid)
        assert await first.text() == '42["news","x"]'


async def test_no_event_is_lost_or_doubled_while_clients_upgrade():
    async def upgrade(client, got):
        while len(got) < 10:
            got.extend(t for t in (await client.poll()).text.split("\x1e") if t.startswith("42"))
        poll = asyncio.create_task(client.poll())
        async with engine(sid=client.sid) as ws:
            ws.send("2probe")
            await ws.text()
            got.extend(t for t in (await poll).text.split("\x1e") if t.startswith("42"))
            ws.send("5")
            while len(got) < 60:
                got.append(await ws.text())

    async def speak(clients):
        for number in range(60):
            for client in clients:
                await emit(client.sid, number)

    clients = [Client("4") for _ in range(6)]
    for client in clients:
        await client.connect()
    got = [[] for _ in clients]
    upgrades = [upgrade(client, events) for client, events in zip(clients, got, strict=True)]
    await asyncio.wait_for(asyncio.gather(speak(clients), *upgrades), 120)  # a busy machine has taken 30
    assert got == [[f'42["news",{n}]' for n in range(60)]] * 6


# --- The plain WebSocket -----------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("path", ["/ws/login", "/ws/login/"])
async def test_a_plain_websocket_carries_the_same_events_until_valkey_forgets_it(path):
    async with WebSocket(path) as ws:
        greeting = json.loads(await ws.text())
        sid = greeting["data"]["sid"]
        data = {"state": True, "status": 200, "sid": sid, "msg": "连接成功"}
        assert greeting == {"event": "connectSuccess", "data": data} and sessions.is_live(sid)
        ws.send("whatever")
        ws.send(b"\0")
        await emit(sid, {"a": "好"})
        assert await ws.text() == '{"event":"news","data":{"a":"好"}}'
        valkey.client().flushdb()
        assert (await ws.event())["type"] == "websocket.close"


# --- Trouble -----------------------------------------------------------------------------------------


async def test_a_client_that_does_not_read_is_cut_off_and_delays_no_other(monkeypatch):
    monkeypatch.setattr("sockets.consumers.SEND_PATIENCE_S", 0.2)
    async with engine() as deaf, engine() as other:
        sid_of_deaf, sid = await joined(deaf), await joined(other)
        deaf.is_deaf = True

        await emit(sid_of_deaf)
        await emit(sid)

        assert await other.text() == '42["news","x"]'
        await asyncio.wait_for(deaf.task, 5)
        assert not sessions.is_live(sid_of_deaf)


@given(
    st.sampled_from(["3", "4"]),
    st.lists(st.text(max_size=30) | st.binary(max_size=30) | st.sampled_from(["40", "41", "2", "3", "1"]), max_size=6),
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_frames_are_served_or_cut_off(version, frames):
    async with engine(version) as ws:
        for frame in frames:
            ws.send(frame)
        await asyncio.sleep(0)
