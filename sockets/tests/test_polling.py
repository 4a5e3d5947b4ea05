import asyncio
import json
import logging

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.api.bodies import IncomingBody
from sockets import sessions
from sockets.tests.asgi import GREETING, Client, emit, in_another_process, request

pytestmark = pytest.mark.asyncio

UNKNOWN = {"code": 1, "message": "Session ID unknown"}


async def poll_that_waits(client, **more):
    task = asyncio.create_task(client.poll(**more))
    await asyncio.sleep(0.1)
    assert not task.done()
    return task


async def test_greets_an_old_client_in_the_first_answer_and_a_new_one_when_it_joins():
    old, new = Client("3"), Client("4")
    text = await old.connect()
    head = f'0{{"sid":"{old.sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}}'
    event = GREETING % old.sid
    assert text == f"{len(head)}:{head}2:40{len(event)}:{event}"

    opened = json.loads((await request(**new.query)).text[1:])
    new.sid = opened.pop("sid")
    times = {"pingInterval": 25000, "pingTimeout": 20000}
    assert opened == times | {"upgrades": ["websocket"], "maxPayload": 1000000}
    assert not sessions.is_live(new.sid) and not await emit(new.sid)
    await new.post("40")
    assert (await new.poll()).text == f'40{{"sid":"{new.sid}"}}\x1e' + GREETING % new.sid
    assert sessions.is_live(new.sid)
    new.version = "3"
    for answer in (await new.poll(), await new.post("1:2")):
        assert answer.json() == {"code": 3, "message": "Bad request"}, "the version is that of the session"
    new.version = "4"
    await new.post("41")
    assert not sessions.is_live(new.sid)
    poll = await poll_that_waits(new)
    assert (await new.post("1")).text == "ok"
    assert (await asyncio.wait_for(poll, 1.5)).text == "1"
    assert (await new.poll()).json() == UNKNOWN


@pytest.mark.parametrize(("version", "noop"), [("3", "1:6"), ("4", "6")])
async def test_a_server_that_ends_sends_waiting_polls_to_another_one(version, noop):
    client = Client(version)
    await client.connect()
    poll = await poll_that_waits(client)
    poll.cancel()  # as uvicorn does when its time for a graceful end is over
    assert (await poll).text == noop
    assert await request(leaves_after=0.1, **client.query) is None, "a client that leaves takes no events with it"
    assert await emit(client.sid, "kept")
    assert "kept" in (await client.poll()).text


@pytest.mark.parametrize("version", ["3", "4"])
async def test_a_waiting_poll_gets_what_another_process_sends(version):
    client = Client(version)
    await client.connect()
    poll = await poll_that_waits(client)
    assert await emit(client.sid, "好 😀")
    answer = await asyncio.wait_for(poll, 0.8)
    assert answer.text == ("17:" if version == "3" else "") + '42["news","好 😀"]', "JavaScript counts in UTF-16"
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"


async def test_an_event_that_comes_while_valkey_is_asked_again_is_sent_at_once(monkeypatch):
    ask, words = sessions.Sessions.poll, list[str]()

    async def poll(self, *args, **options):
        answer = await ask(self, *args, **options)
        words.append(answer[0])
        if len(words) == 2:
            await emit(client.sid)
            await asyncio.sleep(0.1)  # the bell has rung
        return ["wait", 10] if len(words) == 1 else answer

    client = Client("4")
    await client.connect()
    monkeypatch.setattr(sessions.Sessions, "poll", poll)
    answer = await asyncio.wait_for(asyncio.create_task(client.poll()), 1.5)  # before the poll looks by itself
    assert (answer.text, words) == ('42["news","x"]', ["wait", "wait", "send"])


@pytest.mark.usefixtures("quick")
async def test_heartbeats_go_both_ways_and_who_is_silent_or_never_joins_is_closed():
    # At the same time, because a client lives for seconds.
    await asyncio.gather(_beats_and_falls_silent("3", "1:2", "1:3", "1:1"), _beats_and_falls_silent("4", "3", "2", "1"))


async def _beats_and_falls_silent(version, ping, pong, close):
    client, outsider = Client(version), Client("4")
    await client.connect()
    outsider.sid = json.loads((await request(**outsider.query)).text[1:])["sid"]
    for _ in range(8):  # longer than a client without heartbeats lives
        poll = asyncio.create_task(client.poll())
        await asyncio.sleep(0.3)
        await client.post(ping)
        await outsider.post("3")
        assert (await poll).text == pong
    assert (await outsider.poll()).json() == UNKNOWN

    last = (await client.poll()).text
    while last == "2":
        last = (await client.poll()).text
    assert last == close
    assert (await client.poll()).json() == UNKNOWN and not await emit(client.sid)


async def test_a_proxy_that_repeats_a_poll_gets_the_same_answer_and_of_two_polls_the_later_one_counts():
    client = Client("4")
    await client.connect()
    await emit(client.sid)
    first = await client.poll(t="same")
    again = await in_another_process(lambda: client.poll(t="same"))
    assert first.text == again.text == '42["news","x"]', "any process serves any request"
    first = await poll_that_waits(client)
    second = asyncio.create_task(client.poll())
    done, _ = await asyncio.wait({first}, timeout=1)  # `wait_for` would cancel it, which is answered in the same way
    assert done and first.result().text == "6"
    await emit(client.sid, "y")
    assert (await asyncio.wait_for(second, 1)).text == '42["news","y"]'


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        *(("GET", {"transport": transport}, 0) for transport in ("", "carrier")),
        *((method, {"sid": sid}, 1) for method, sid in (("GET", "no"), ("GET", "a" * 24), ("POST", "a" * 24))),
        *((method, {}, 2) for method in ("POST", "DELETE")),
        ("GET", {"transport": "websocket"}, 3),
        *(("GET", {"EIO": version}, 5) for version in ("2", "", "04")),
    ],
)
async def test_refuses_in_the_words_of_engine_io(method, query, code):
    answer = await request(method, **({"EIO": "4", "transport": "polling"} | query))

    words = ["Transport unknown", "Session ID unknown", "Bad handshake method", "Bad request", "Forbidden"]
    assert answer and answer.status == 400
    assert answer.json() == {"code": code, "message": [*words, "Unsupported protocol version"][code]}


MALFORMED = {
    "3": [
        *(b"2", b":2", b"1:", b"2:2", b"0:", b"-1:2", b"+1:2", b"1;2", b"1:9", b"1:2" * 300, b"9" * 50 + b":2"),
        *("1:２".encode(), "1:😀".encode(), "2:4😀".encode(), b"1:3"),
    ],
    "4": [
        *(b"\x1e", b"7", b"x", b"nonsense", b"3\x1e", b"\xff", b"2", b"3\x1e" * 300),
        b"40/" + b"a" * 100,  # a namespace that the refusal names, so that a stranger who does not poll fills Valkey
    ],
}


@pytest.mark.parametrize(("version", "body"), [(version, body) for version in MALFORMED for body in MALFORMED[version]])
async def test_malformed_packets_close_the_session_without_a_trace(version, body, caplog):
    with caplog.at_level(logging.DEBUG, "sockets"):
        client = Client(version)
        await client.connect()
        answer = await client.post(body)
        assert (answer.status, answer.json()) == (400, {"code": 3, "message": "Bad request"})
        assert (await client.poll()).json() == UNKNOWN
    assert not caplog.records


async def test_a_flood_that_is_not_fetched_closes_the_session():
    client = Client("3")
    await client.connect()
    for _ in range(3):
        await client.post("1:2" * 100)  # pings, whose pongs it does not fetch
    assert (await client.poll()).status == 400


async def test_a_body_counts_to_what_the_process_has_room_for(monkeypatch):
    monkeypatch.setattr("core.api.bodies.ROOM", 100_000)

    client = Client("4")
    await client.connect()
    answer = await request("POST", chunks=[b"4" * 60_000] * 3, **client.query)
    assert answer and (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert (await client.post('42["a"]')).text == "ok"
    assert not IncomingBody.large


@pytest.mark.parametrize("chunks", [[b"4" * 1_000_001], [b"4" * 600_000] * 50])
async def test_oversized_packets_close_the_session(chunks):
    client = Client("4")
    await client.connect()
    answer = await request("POST", chunks=chunks, **client.query)
    assert (answer.status, answer.body) == (413, b"")
    assert (await client.poll()).status == 400
    announced = {"content-length": "9" * 20}
    answer = await request("POST", chunks=[b"4", b"4"], headers=announced, EIO="4", transport="polling", sid="x")
    assert answer and answer.status == 413


# --- Origins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("", 200),
        ("https://front.example", 200),
        ("http://api.example", 200),
        ("https://front.example.evil", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
async def test_only_listed_origins_may_connect_where_there_is_a_list(settings, origin, status):
    settings.CORS_ALLOW_ALL_ORIGINS = False
    settings.CORS_ALLOWED_ORIGINS = ["https://front.example"]
    headers = {"host": "api.example"} | ({"origin": origin} if origin else {})

    answer = await request(headers=headers, EIO="4", transport="polling")

    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 and origin else None)
    if status == 403:
        assert answer.json() == {"code": 4, "message": "Forbidden"}
    elif origin:
        preflight_headers = headers | {"access-control-request-headers": "content-type,authorization"}
        preflight = await request("OPTIONS", headers=preflight_headers, EIO="4", transport="polling")
        refusal = await request(headers=headers, transport="no")
        for answer in (preflight, refusal):  # or the page could not read why
            assert answer.headers["access-control-allow-origin"] == origin
            assert (answer.headers["access-control-allow-credentials"], answer.headers["vary"]) == ("true", "Origin")
        assert (preflight.status, preflight.body) == (204, b"")
        assert preflight.headers["access-control-allow-headers"] == "content-type,authorization"
        assert "POST" in preflight.headers["access-control-allow-methods"]


async def test_serves_the_client_itself():
    answer = await request(path="/socket.io/socket.io.js")

    assert answer.status == 200
    assert answer.text.startswith("/*!\n * Socket.IO v2.3.0")
    assert "sourceMappingURL" not in answer.text


# --- Anything at all ---------------------------------------------------------------------------------


@given(
    st.sampled_from(["3", "4"]),
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.sampled_from([b"40", b"1:2", b"2:41", b"41"]),
    st.sampled_from(["text/plain", "application/octet-stream", ""]),
    st.dictionaries(st.sampled_from(["EIO", "transport", "sid", "t", "b64"]), st.text(max_size=30)),
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]),
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_body_and_any_query_are_answered(version, body, kind, query, method):
    odd = await request(method, **{k: v.encode("utf-8", "replace").decode() for k, v in query.items()})
    assert odd.status in {200, 204, 400}
    client = Client(version)
    answer = await request(**client.query)
    client.sid = answer.text[answer.text.index('"sid":"') + 7 :][:24]
    reply = await client.post(body, **{"content-type": kind})
    assert reply.status in {200, 400}
    if reply.status == 400:
        assert (await client.poll()).status == 400, "the session is over"
