import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.api.bodies import memory
from sockets import sessions
from sockets.tests.asgi import Client, in_another_process, request

pytestmark = pytest.mark.asyncio
GREETING = '42["connectSuccess",{"state":true,"status":200,"sid":"%s","msg":"连接成功"}]'

UNKNOWN = {"code": 1, "message": "Session ID unknown"}


def emit(client: Client, data: Any = "x") -> Any:
    return asyncio.to_thread(sessions.emit, client.sid, "news", data)


async def poll_that_waits(client: Client, **more: Any) -> "asyncio.Task[Any]":
    task = asyncio.create_task(client.poll(**more))
    await asyncio.sleep(0.1)
    assert not task.done()
    return task


async def test_greets_an_old_client_in_the_first_answer() -> None:
    client = Client("3")
    text = await client.connect()
    head = f'0{{"sid":"{client.sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}}'
    event = GREETING % client.sid
    assert text == f"{len(head)}:{head}2:40{len(event)}:{event}"


async def test_greets_a_new_client_when_it_joins() -> None:
    client = Client("4")
    text = await client.connect()
    assert text == f'40{{"sid":"{client.sid}"}}\x1e' + GREETING % client.sid
    assert await asyncio.to_thread(sessions.is_live, client.sid)


async def test_is_not_live_before_it_has_joined_nor_after_it_has_left() -> None:
    client = Client("4")
    answer = await request(**client.query)
    client.sid = json.loads(answer.text[1:])["sid"]
    assert not sessions.is_live(client.sid)
    assert not await emit(client)
    await client.post("40")
    assert sessions.is_live(client.sid)
    await client.post("41")
    assert not sessions.is_live(client.sid)


@pytest.mark.parametrize(("version", "noop"), [("3", "1:6"), ("4", "6")])
async def test_a_server_that_ends_sends_waiting_polls_to_another_one(version: str, noop: str) -> None:
    client = Client(version)
    await client.connect()
    poll = await poll_that_waits(client)
    poll.cancel()  # as uvicorn does when its time for a graceful end is over
    assert (await poll).text == noop
    assert await emit(client, "kept")
    assert "kept" in (await client.poll()).text


@pytest.mark.parametrize("version", ["3", "4"])
async def test_a_waiting_poll_gets_what_another_process_sends(version: str) -> None:
    client = Client(version)
    await client.connect()
    poll = await poll_that_waits(client)
    assert await emit(client, "好 😀")
    answer = await asyncio.wait_for(poll, 0.8)
    assert answer.text.endswith('42["news","好 😀"]')
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"


async def test_events_keep_their_order_and_none_is_lost_between_polls() -> None:
    client = Client("4")
    await client.connect()
    got: list[str] = []

    async def listen() -> None:
        while len(got) < 100:
            got.extend((await client.poll()).text.split("\x1e"))

    async def speak() -> None:
        for number in range(100):
            await emit(client, number)

    await asyncio.wait_for(asyncio.gather(listen(), speak()), 20)
    assert got == [f'42["news",{number}]' for number in range(100)]


async def test_any_process_serves_any_request() -> None:
    client = Client("4")
    await in_another_process(client.connect)
    poll = await poll_that_waits(client)
    await in_another_process(lambda: client.post("40/admin,"))
    assert (await asyncio.wait_for(poll, 1.5)).text == '44/admin,{"message":"Invalid namespace"}'


async def test_a_proxy_that_repeats_a_poll_gets_the_same_answer() -> None:
    client = Client("4")
    await client.connect()
    await emit(client)
    first = await client.poll(t="same")
    again = await in_another_process(lambda: client.poll(t="same"))
    assert first.text == again.text == '42["news","x"]'
    await emit(client, "y")
    assert (await client.poll(t="next")).text == '42["news","y"]'


async def test_of_two_polls_the_later_one_counts() -> None:
    client = Client("4")
    await client.connect()
    first = await poll_that_waits(client)
    second = asyncio.create_task(client.poll())
    assert (await asyncio.wait_for(first, 1)).text == "6"
    await emit(client)
    assert (await asyncio.wait_for(second, 1)).text == '42["news","x"]'


async def test_a_client_that_left_its_poll_takes_no_events_with_it() -> None:
    client = Client("4")
    await client.connect()
    assert await request(leaves_after=0.1, **client.query) is None
    await emit(client)
    assert (await client.poll()).text == '42["news","x"]'


@pytest.mark.usefixtures("quick")
async def test_heartbeats_of_a_new_client_go_both_ways() -> None:
    client = Client("4")
    await client.connect()
    for _ in range(9):  # longer than a client without heartbeats lives
        assert (await client.poll()).text == "2"
        assert (await client.post("3")).text == "ok"


@pytest.mark.usefixtures("quick")
async def test_heartbeats_of_an_old_client_go_both_ways() -> None:
    client = Client("3")
    await client.connect()
    for _ in range(6):
        poll = asyncio.create_task(client.poll())
        await asyncio.sleep(0.5)
        await client.post("1:2")
        assert (await poll).text == "1:3"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("version", ["3", "4"])
async def test_who_is_silent_is_closed(version: str) -> None:
    client = Client(version)
    await client.connect()
    heard = [(await client.poll()).text]
    while heard[-1] == "2":
        heard.append((await client.poll()).text)
    assert heard[-1] == ("1" if version == "4" else "1:1")
    assert ("2" in heard) == (version == "4")
    assert (await client.poll()).json() == UNKNOWN
    assert not await emit(client)


@pytest.mark.usefixtures("quick")
async def test_who_never_joins_is_closed() -> None:
    client = Client("4")
    client.sid = json.loads((await request(**client.query)).text[1:])["sid"]
    while (await client.post("3")).status == 200:
        await asyncio.sleep(0.1)
    assert (await client.poll()).json() == UNKNOWN


async def test_a_client_may_close() -> None:
    client = Client("4")
    await client.connect()
    poll = await poll_that_waits(client)
    assert (await client.post("1")).text == "ok"
    assert (await asyncio.wait_for(poll, 1.5)).text == "1"
    assert not sessions.is_live(client.sid)


@pytest.mark.parametrize(
    ("method", "query", "status", "body"),
    [
        ("GET", {}, 400, {"code": 0, "message": "Transport unknown"}),
        ("GET", {"EIO": "4", "transport": "carrier"}, 400, {"code": 0, "message": "Transport unknown"}),
        ("GET", {"EIO": "4", "transport": "polling", "sid": "no"}, 400, UNKNOWN),
        (
            "GET",
            {"EIO": "4", "transport": "polling", "sid": "a" * 24},
            400,
            UNKNOWN,
        ),
        (
            "POST",
            {"EIO": "4", "transport": "polling", "sid": "a" * 24},
            400,
            UNKNOWN,
        ),
        ("POST", {"EIO": "4", "transport": "polling"}, 400, {"code": 2, "message": "Bad handshake method"}),
        ("DELETE", {"EIO": "4", "transport": "polling"}, 400, {"code": 2, "message": "Bad handshake method"}),
        ("GET", {"EIO": "4", "transport": "websocket"}, 400, {"code": 3, "message": "Bad request"}),
        ("GET", {"EIO": "2", "transport": "polling"}, 400, {"code": 5, "message": "Unsupported protocol version"}),
        ("GET", {"transport": "polling"}, 400, {"code": 5, "message": "Unsupported protocol version"}),
    ],
)
async def test_refuses_in_the_words_of_engine_io(
    method: str, query: dict[str, str], status: int, body: dict[str, Any]
) -> None:
    answer = await request(method, **query)

    assert (answer.status, answer.json()) == (status, body)


async def test_refuses_another_version_than_the_session_began_with() -> None:
    client = Client("4")
    await client.connect()
    client.version = "3"
    assert (await client.poll()).json() == {"code": 3, "message": "Bad request"}
    assert (await client.post("1:2")).json() == {"code": 3, "message": "Bad request"}


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\xff\xfe", b"2", b"40", b"3\x1e" * 300])
async def test_malformed_packets_close_the_session_without_a_trace(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "sockets"):
        client = Client("4")
        await client.connect()
        answer = await client.post(body)
        assert (answer.status, answer.json()) == (400, {"code": 3, "message": "Bad request"})
        assert (await client.poll()).json() == UNKNOWN
    assert not caplog.records


async def test_a_body_counts_to_what_the_process_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "size", 100_000)

    client = Client("4")
    await client.connect()
    answer = await request("POST", chunks=[b"4" * 60_000] * 3, **client.query)
    assert answer and (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert (await client.post('42["a"]')).text == "ok"
    assert (memory.taken, memory.unfinished) == (0, set())


@pytest.mark.parametrize("chunks", [[b"4" * 1_000_001], [b"4" * 600_000] * 50])
async def test_oversized_packets_close_the_session(chunks: list[bytes]) -> None:
    client = Client("4")
    await client.connect()
    answer = await request("POST", chunks=chunks, **client.query)
    assert (answer.status, answer.body) == (413, b"")
    assert (await client.poll()).status == 400


async def test_an_oversized_body_is_refused_by_its_announcement() -> None:
    headers = {"content-length": "9" * 20}
    answer = await request("POST", chunks=[b"4", b"4"], headers=headers, EIO="4", transport="polling", sid="x")
    assert answer.status == 413


async def test_who_floods_his_own_queue_is_cut_off() -> None:
    client = Client("3")
    await client.connect()
    for _ in range(3):
        await client.post("1:2" * 100)
    assert (await client.poll()).status == 400


async def test_takes_binary_messages_however_they_come() -> None:
    client = Client("3")
    await client.connect()
    text = '52-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert (await client.post(f"{len(text) + 1}:4{text}")).text == "ok"
    # The attachments may come by themselves, as base64 or as they are.
    assert (await client.post("6:b4AAE=")).text == "ok"
    assert (await client.post(b"\1\3\xff\4\0\1", **{"content-type": "application/octet-stream"})).text == "ok"
    assert sessions.is_live(client.sid)


# --- Origins -----------------------------------------------------------------------------------------


async def test_echoes_the_origin_with_credentials_and_never_a_star() -> None:
    client = Client("4")
    answer = await request(headers={"origin": "https://a.example"}, **client.query)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "Origin"
    refused = await request(headers={"origin": "https://a.example"}, transport="no")
    assert refused.headers["access-control-allow-origin"] == "https://a.example", "or the page cannot read why"


async def test_answers_a_preflight() -> None:
    asked = {"origin": "https://a.example", "access-control-request-headers": "content-type,authorization"}
    answer = await request("OPTIONS", headers=asked, EIO="4", transport="polling")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-headers"] == "content-type,authorization"
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("", 200),
        ("https://front.example", 200),
        ("http://api.example", 200),
        ("https://evil.example", 403),
        ("https://front.example.evil", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
async def test_only_listed_origins_may_connect_where_there_is_a_list(settings: Any, origin: str, status: int) -> None:
    settings.CORS_ALLOW_ALL_ORIGINS = False
    settings.CORS_ALLOWED_ORIGINS = ["https://front.example"]
    headers = {"host": "api.example"} | ({"origin": origin} if origin else {})

    answer = await request(headers=headers, EIO="4", transport="polling")

    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 and origin else None)
    if status == 403:
        assert answer.json() == {"code": 4, "message": "Forbidden"}


async def test_serves_the_client_itself() -> None:
    answer = await request(path="/socket.io/socket.io.js")

    assert answer.status == 200
    assert answer.text.startswith("/*!\n * Socket.IO v2.3.0")
    assert "sourceMappingURL" not in answer.text


# --- Anything at all ---------------------------------------------------------------------------------


@given(
    st.sampled_from(["3", "4"]),
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.sampled_from([b"40", b"1:2", b"2:41", b"41"]),
    st.sampled_from(["text/plain", "application/octet-stream", ""]),
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_body_is_answered(version: str, body: bytes, kind: str) -> None:
    client = Client(version)
    answer = await request(**client.query)
    client.sid = answer.text[answer.text.index('"sid":"') + 7 :][:24]
    posted = await client.post(body, **{"content-type": kind})
    assert posted.status in {200, 400}
    if posted.status == 400:
        assert (await client.poll()).status == 400, "the session is over"


@given(
    st.dictionaries(st.sampled_from(["EIO", "transport", "sid", "t", "b64"]), st.text(max_size=30)),
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]),
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_query_is_answered(query: dict[str, str], method: str) -> None:
    answer = await request(method, **{k: v.encode("utf-8", "replace").decode() for k, v in query.items()})

    assert answer.status in {200, 204, 400}
