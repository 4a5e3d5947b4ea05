"""What reaches the API through the ASGI door that `make up` and the container use."""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterable
from typing import Any

import pytest

from config import asgi
from config.asgi import application
from config.bridge import Bridge
from core.api.bodies import KIB, MIB, memory
from core.api.routing import endpoints

pytestmark = pytest.mark.django_db
ORIGIN = b"https://front.example"
MULTIPART = b"multipart/form-data; boundary=x"
FORM = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
UPLOAD = "/upload/uploadImg"


async def send_in_parts(method: str, path: str, parts: AsyncIterable[bytes], kind: bytes, query: bytes = b"") -> Any:
    """Send a request whose body comes in ``parts``; answer the HTTP status, the headers and the body."""
    sent: list[dict[str, Any]] = []
    coming = aiter(parts)

    async def receive() -> dict[str, Any]:
        part = await anext(coming, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"testserver"), (b"content-type", kind), (b"x_forwarded_for", b"6.6.6.6"), (b"origin", ORIGIN)]
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query, "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 80),
    }  # fmt: skip
    await application(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(m.get("body", b"") for m in sent[1:])


def call(
    method: str, path: str, *, query: bytes = b"", kind: bytes = b"application/json", chunks: tuple[bytes, ...] = (b"",)
):
    async def parts() -> AsyncIterable[bytes]:
        for chunk in chunks:
            yield chunk

    status, _, body = asyncio.run(send_in_parts(method, path, parts(), kind, query))
    return status, json.loads(body)


def test_a_body_in_pieces_is_one_body_and_raw_chinese_in_the_query_is_read():
    status, body = call("POST", "/users/login", chunks=(b'{"username": ', b'"li"}'))
    assert (status, body["msg"]) == (200, "没有传递用户名或者密码")

    status, body = call("GET", "/users/verifyCaptcha", query="captcha=重庆".encode())
    assert (status, body["msg"]) == (200, "验证码错误")


def test_a_body_beyond_the_limit_is_refused_and_not_kept():
    status, body = call("POST", "/users/login", chunks=(b"x" * 900_000,) * 4)

    assert (status, body["status"]) == (413, 413)


def test_a_quick_call_is_answered_while_all_other_threads_wait(monkeypatch):
    held = Bridge(asgi.wsgi_application, threads=1)
    over = threading.Event()
    held.threads.submit(over.wait, 60)
    monkeypatch.setattr(asgi, "_http", held)

    async def nothing() -> AsyncIterable[bytes]:
        yield b""

    async def run() -> tuple[Any, Any]:
        slow = asyncio.create_task(send_in_parts("POST", "/users/login", nothing(), b"application/json"))
        quick = await asyncio.wait_for(send_in_parts("GET", "/Verify/", nothing(), b""), 30)
        waits = not slow.done()
        over.set()
        await slow
        return quick, waits

    quick, waits = asyncio.run(run())

    assert waits
    assert json.loads(quick[2])["msg"] == "请登入"


def test_quick_calls_only_read():
    assert {call.path for call in endpoints() if call.is_quick and call.methods != ("GET",)} == {"/verify"}


def test_only_the_socket_path_goes_to_the_sockets():
    assert call("GET", "/socket.iox")[1]["msg"] == "接口地址错误"


class TestRoomForBodies:
    @pytest.fixture(autouse=True)
    def _all_is_given_back(self):
        yield
        assert (memory.taken, memory.unfinished) == (0, set())

    def test_where_no_files_are_taken_a_large_form_is_not_even_collected(self):
        held = []

        async def parts() -> AsyncIterable[bytes]:
            for _ in range(40):
                held.append(memory.taken)
                yield b"x" * 256 * KIB

        status, _, body = asyncio.run(send_in_parts("POST", "/verify", parts(), MULTIPART))

        assert (status, json.loads(body)["msg"]) == (413, "请求内容过大")
        assert max(held) <= MIB and held[-1] == 0

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

            async def at_once(*chunks: bytes) -> AsyncIterable[bytes]:
                for chunk in chunks:
                    yield chunk

            crowd = [asyncio.create_task(send_in_parts("POST", UPLOAD, slowly(), MULTIPART)) for _ in range(50)]
            while memory.taken < memory.size - 512 * KIB:
                await asyncio.sleep(0)
            login = send_in_parts("POST", "/users/login", at_once(b'{"username": "li"}'), b"application/json")
            form = FORM + b"x" * 200 * KIB + b"\r\n--x--\r\n"  # smaller than what each of the crowd sends at once
            upload = send_in_parts("POST", UPLOAD, at_once(form), MULTIPART)
            answers = await login, await upload
            is_over.set()
            return *answers, await asyncio.gather(*crowd)

        login, upload, crowd = asyncio.run(run())

        assert most <= 4 * MIB
        assert (login[0], json.loads(login[2])["msg"]) == (200, "没有传递用户名或者密码")
        assert upload[0] == 200
        refused = [answer for answer in crowd if answer[0] == 503]
        assert len(refused) > 40
        _, headers, body = refused[0]
        assert json.loads(body) == {"status": 503, "state": False, "msg": "服务暂时不可用,请稍后再试"}
        assert (headers[b"retry-after"], headers[b"access-control-allow-origin"]) == (b"5", ORIGIN)


TAKES_FILES = {
    *("/upload/uploadImg", "/students/addstu", "/students/updatestu", "/students/uploadStuAvatar"),
    *("/users/uploadAvatar", "/category/addCategory", "/category/updateCategory"),
    *("/product/add_product", "/product/update_product"),
}


class TestLimits:
    """The same limits where a server speaks WSGI: by the announced length."""

    def test_calls_say_whether_they_take_files(self):
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
