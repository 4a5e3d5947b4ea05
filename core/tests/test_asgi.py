"""What reaches the API through ``config.asgi``, the one port of `make up` and the container."""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterable
from contextlib import nullcontext
from typing import Any

import pytest

from config import asgi
from config.asgi import application
from config.bridge import Bridge, environ
from core.api.bodies import KIB, MIB, IncomingBody, memory
from core.api.routing import endpoints

pytestmark = pytest.mark.django_db
ORIGIN = b"https://front.example"
MULTIPART = b"multipart/form-data; boundary=x"
FORM = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
UPLOAD = "/upload/uploadImg"


async def send_in_parts(method: str, path: str, parts: AsyncIterable[bytes], kind: bytes, query: bytes = b"") -> Any:
    """Send a request whose body comes in ``parts``; answer the HTTP status, the headers and the body."""
    calls: list[dict[str, Any]] = []
    coming = aiter(parts)

    async def receive() -> dict[str, Any]:
        part = await anext(coming, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: dict[str, Any]) -> None:
        calls.append(message)

    headers = [(b"host", b"testserver"), (b"content-type", kind), (b"x_forwarded_for", b"6.6.6.6"), (b"origin", ORIGIN)]
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query, "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 80),
    }  # fmt: skip
    await application(scope, receive, send)
    return calls[0]["status"], dict(calls[0]["headers"]), b"".join(m.get("body", b"") for m in calls[1:])


async def pieces(*chunks: bytes) -> AsyncIterable[bytes]:
    for chunk in chunks:
        yield chunk


def call(method: str, path: str, *chunks: bytes, query: bytes = b"") -> tuple[int, Any]:
    status, _, body = asyncio.run(send_in_parts(method, path, pieces(*chunks), b"application/json", query))
    return status, json.loads(body)


def test_a_body_in_pieces_is_one_body_and_raw_chinese_in_the_query_is_read():
    status, body = call("POST", "/users/login", b'{"username": ', b'"li"}')
    assert (status, body["msg"]) == (200, "没有传递用户名或者密码")

    status, body = call("GET", "/users/verifyCaptcha", query="captcha=重庆".encode())
    assert (status, body["msg"]) == (200, "验证码错误")
    assert call("GET", "/socket.iox")[1]["msg"] == "接口地址错误"  # only the socket path goes to the sockets


def test_a_quick_call_is_answered_while_all_other_threads_wait(monkeypatch):
    bridge = Bridge(asgi.wsgi_application, threads=1)
    over = threading.Event()
    bridge.threads.submit(over.wait, 60)
    monkeypatch.setattr(asgi, "_http", bridge)

    async def run() -> tuple[Any, Any]:
        slow = asyncio.create_task(send_in_parts("POST", "/users/login", pieces(), b"application/json"))
        quick = await asyncio.wait_for(send_in_parts("GET", "/Verify/", pieces(), b""), 30)
        waits = not slow.done()
        over.set()
        await slow
        return quick, waits

    quick, waits = asyncio.run(run())

    assert waits
    assert json.loads(quick[2])["msg"] == "请登入"


class TestRoomForBodies:
    @pytest.fixture(autouse=True)
    def _all_is_given_back(self):
        yield
        assert (memory.taken, memory.unfinished) == (0, set())

    def test_where_no_files_are_taken_a_large_form_is_not_even_collected(self):
        room = []

        async def parts() -> AsyncIterable[bytes]:
            for _ in range(40):
                room.append(memory.taken)
                yield b"x" * 256 * KIB

        status, _, body = asyncio.run(send_in_parts("POST", "/verify", parts(), MULTIPART))

        assert (status, json.loads(body)["msg"]) == (413, "请求内容过大")
        assert max(room) <= MIB and room[-1] == 0

    def test_a_client_that_leaves_gives_its_room_back(self):
        async def run() -> None:
            waiting = [{"type": "http.request", "body": b"x" * MIB, "more_body": True}, {"type": "http.disconnect"}]

            async def receive() -> dict[str, Any]:
                return waiting.pop(0)

            scope = {"type": "http", "method": "POST", "path": UPLOAD, "query_string": b"", "headers": []}
            await application(scope, receive, lambda _: None)

        asyncio.run(run())

    def test_many_that_send_slowly_neither_fill_the_memory_nor_shut_out_others(self, monkeypatch):
        monkeypatch.setattr(memory, "size", 4 * MIB)
        most = 0

        async def run() -> tuple[Any, Any, Any]:
            is_over = asyncio.Event()

            async def slowly() -> AsyncIterable[bytes]:
                nonlocal most
                yield FORM
                for _ in range(20):
                    yield b"x" * 256 * KIB
                    most = max(most, memory.taken)
                    await asyncio.sleep(0)
                await is_over.wait()

            crowd = [asyncio.create_task(send_in_parts("POST", UPLOAD, slowly(), MULTIPART)) for _ in range(50)]
            while memory.taken < memory.size - 512 * KIB:
                await asyncio.sleep(0)
            login = send_in_parts("POST", "/users/login", pieces(b'{"username": "li"}'), b"application/json")
            form = FORM + b"x" * 200 * KIB + b"\r\n--x--\r\n"  # smaller than what each of the crowd sends at once
            upload = send_in_parts("POST", UPLOAD, pieces(form), MULTIPART)
            answers = await login, await upload
            is_over.set()
            return *answers, await asyncio.gather(*crowd)

        login, upload, crowd = asyncio.run(run())

        assert most <= 4 * MIB
        assert (login[0], json.loads(login[2])["msg"]) == (200, "没有传递用户名或者密码")
        assert upload[0] == 200
        refusals = [answer for answer in crowd if answer[0] == 503]
        assert len(refusals) > 40
        _, headers, body = refusals[0]
        assert json.loads(body) == {"status": 503, "state": False, "msg": "服务暂时不可用,请稍后再试"}
        assert (headers[b"retry-after"], headers[b"access-control-allow-origin"]) == (b"5", ORIGIN)


TAKES_FILES = {
    *("/upload/uploadImg", "/students/addstu", "/students/updatestu", "/students/uploadStuAvatar"),
    *("/users/uploadAvatar", "/category/addCategory", "/category/updateCategory"),
    *("/product/add_product", "/product/update_product"),
}


class TestLimits:
    """The same limits where a server speaks WSGI: by the announced length."""

    def test_calls_say_whether_they_take_files_and_quick_ones_only_read(self):
        assert {call.path for call in endpoints() if call.is_quick and call.methods != ("GET",)} == {"/verify"}
        assert {call.path for call in endpoints() if call.takes_files} == TAKES_FILES

    @pytest.mark.parametrize("call", endpoints(), ids=lambda call: call.path)
    def test_a_form_of_two_megabytes_is_for_calls_that_take_files(self, root, call):
        path = call.path.replace("<str:out_trade_no>", "x").upper() + "/"

        answer = root.http.post(path, {"img": io.BytesIO(b"x" * 2 * MIB)}, headers={"authorization": root.token})

        assert (answer.status_code == 413) is not call.takes_files

    @pytest.mark.parametrize(
        ("page", "is_taken"),
        [
            *(("/admin/students/transferrun/import/", True), ("/admin/students/transferrun/photos/", True)),
            *(("/admin/students/student/add/", True), ("/admin/shop/product/1/change/", True)),
            *(("/admin/shop/category/add/", True), ("/admin/students/student/", False)),
            *(("/admin/shop/order/1/change/", False), ("/admin/login/", False), ("/admin/nowhere/", False)),
        ],
    )
    def test_in_the_back_office_for_pages_whose_form_takes_files(self, office, page, is_taken):
        answer = office.post(page, {"file": io.BytesIO(b"x" * 2 * MIB)})

        assert (answer.status_code != 413) is is_taken
        if not is_taken:  # a person reads it
            assert answer["Content-Type"].startswith("text/html") and "内容太大" in answer.content.decode()

    @pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "-1", "1e9", ""])
    def test_an_odd_length_is_no_fault_of_ours(self, api, length):
        answer = api.http.post(UPLOAD, b"{}", content_type="application/json", CONTENT_LENGTH=length)

        assert answer.status_code < 500


SCOPE = {
    "method": "POST",
    "path": "/重庆",
    "http_version": "1.1",
    "query_string": "名=谭&a=%20".encode(),
    "headers": [],
}


def body_of(*parts: bytes) -> IncomingBody:
    body = IncomingBody(limit=10**9)
    for part in parts:
        body.add(part)
    body.finish()
    memory.taken -= body.counted  # no code ends these
    return body


class Parts:
    """An answer that is made while it is sent."""

    closed = False

    def __iter__(self):
        yield from (b"one", b"", b"two")

    def close(self):
        self.closed = True


@pytest.mark.parametrize("left_after", [None, 0, 1, 2])
def test_a_streamed_answer_is_sent_part_by_part_and_closed_also_when_the_client_leaves(left_after):
    parts, sent = Parts(), []

    def application(environ, start_response):
        start_response("206 Partial Content", [("Content-Type", "text/plain")])
        return parts

    async def send(message: dict[str, Any]) -> None:
        if len(sent) == left_after:
            raise OSError("the client has left")
        sent.append(message)

    async def run() -> None:
        bridge = Bridge(application, threads=1)
        try:
            await bridge.answer(SCOPE, body_of(), send)
        finally:
            await asyncio.to_thread(bridge.threads.shutdown)

    with nullcontext() if left_after is None else pytest.raises(OSError, match="left"):
        asyncio.run(run())

    assert parts.closed
    if left_after is None:
        start, *bodies = sent
        assert start["status"] == 206
        assert [(message["body"], message.get("more_body", False)) for message in bodies] == [
            *((b"one", True), (b"", True), (b"two", True), (b"", False))
        ]


def test_an_answer_without_a_waiting_client_is_closed():
    parts, is_asked, is_over = Parts(), threading.Event(), threading.Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        is_asked.set()
        is_over.wait(30)
        return parts

    async def run() -> None:
        bridge = Bridge(application, threads=1)
        task = asyncio.create_task(bridge.answer(SCOPE, body_of(), None))
        await asyncio.to_thread(is_asked.wait, 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        is_over.set()
        await asyncio.to_thread(bridge.threads.shutdown)

    asyncio.run(run())

    assert parts.closed


class TestEnviron:
    def test_path_query_and_headers_are_as_wsgi_has_them_and_none_can_be_forged(self):
        headers = [
            (b"x-forwarded-for", b"1.1.1.1"), (b"x_forwarded_for", b"6.6.6.6"), (b"x-forwarded-for", b"2.2.2.2"),
            (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"content-length", b"999"), (b"content-type", b"text/plain"),
        ]  # fmt: skip

        env = environ(SCOPE | {"headers": headers}, body_of(b"abc"))

        assert (env["HTTP_X_FORWARDED_FOR"], env["HTTP_COOKIE"]) == ("1.1.1.1,2.2.2.2", "a=1; b=2")
        assert (env["CONTENT_LENGTH"], env["CONTENT_TYPE"]) == ("3", "text/plain")
        assert env["PATH_INFO"].encode("latin1").decode() == "/重庆"
        assert env["QUERY_STRING"] == "%E5%90%8D=%E8%B0%AD&a=%20"

    def test_a_body_is_read_whole_in_pieces_and_by_line(self):
        parts = (b"", b"x" * 70_000, b"y\nz", b"", b"w" * 70_000)

        assert environ(SCOPE, body_of(*parts))["wsgi.input"].read() == b"".join(parts)
        assert environ(SCOPE, body_of(*parts))["wsgi.input"].readline() == parts[1] + b"y\n"
        file = environ(SCOPE, body_of(*parts))["wsgi.input"]
        assert b"".join(iter(lambda: file.read(999), b"")) == b"".join(parts)
        assert environ(SCOPE, body_of())["wsgi.input"].read() == b""
