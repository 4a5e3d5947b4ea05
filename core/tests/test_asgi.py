"""What reaches the API through ``config.asgi``, the one port of `make up` and the container."""

import asyncio
import io
import json
import threading

import pytest
from a2wsgi import WSGIMiddleware

from config import asgi
from config.asgi import application
from core.api import bodies
from core.api.bodies import KIB, MIB, IncomingBody
from core.api.routing import endpoints

pytestmark = pytest.mark.django_db
ORIGIN = b"https://front.example"
MULTIPART = b"multipart/form-data; boundary=x"
FORM = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
UPLOAD = "/upload/uploadImg"


async def send_in_parts(method, path, parts, kind, query=b""):
    """Send a request whose body comes in ``parts``; answer the HTTP status, the headers and the body."""
    calls = []
    coming = aiter(parts)

    async def receive():
        part = await anext(coming, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message):
        calls.append(message)

    headers = [(b"host", b"testserver"), (b"content-type", kind), (b"x_forwarded_for", b"6.6.6.6"), (b"origin", ORIGIN)]
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query, "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 80),
    }  # fmt: skip
    await application(scope, receive, send)
    return calls[0]["status"], dict(calls[0]["headers"]), b"".join(m.get("body", b"") for m in calls[1:])


async def pieces(*chunks):
    for chunk in chunks:
        yield chunk


def call(method, path, *chunks, query=b""):
    status, _, body = asyncio.run(send_in_parts(method, path, pieces(*chunks), b"application/json", query))
    return status, json.loads(body)


def test_a_body_in_pieces_is_one_body_and_raw_chinese_in_the_query_is_read():
    status, body = call("POST", "/users/login", b'{"username": ', b'"li"}')
    assert (status, body["msg"]) == (200, "没有传递用户名或者密码")

    status, body = call("GET", "/users/verifyCaptcha", query="captcha=重庆".encode())
    assert (status, body["msg"]) == (200, "验证码错误")
    assert call("GET", "/socket.iox")[1]["msg"] == "接口地址错误"  # only the socket path goes to the sockets


def test_a_quick_call_is_answered_while_all_other_threads_wait(monkeypatch):
    others = WSGIMiddleware(asgi.wsgi_application, workers=1)
    over = threading.Event()
    others.executor.submit(over.wait, 60)
    monkeypatch.setattr(asgi, "_http", others)

    async def run():
        slow = asyncio.create_task(send_in_parts("POST", "/users/login", pieces(), b"application/json"))
        quick = await asyncio.wait_for(send_in_parts("GET", "/Verify/", pieces(), b""), 30)
        waits = not slow.done()
        over.set()
        await slow
        return quick, waits

    quick, waits = asyncio.run(run())

    assert waits
    assert json.loads(quick[2])["msg"] == "请登入"


def test_no_header_can_be_forged_by_an_underscore(monkeypatch):
    """WSGI gives X_Forwarded_For, which each request of this file sends, and X-Forwarded-For the same name."""
    requests = []

    def application(environ, start_response):
        requests.append(environ)
        start_response("200 OK", [])
        return [b""]

    monkeypatch.setattr(asgi, "_http", WSGIMiddleware(application, workers=1))
    asyncio.run(send_in_parts("POST", "/重庆", pieces(b"abc", b"d"), b"text/plain", "名=谭&a=%20".encode()))

    (environ,) = requests
    assert "HTTP_X_FORWARDED_FOR" not in environ and environ["CONTENT_LENGTH"] == "4"
    assert environ["PATH_INFO"].encode("latin1").decode() == "/重庆"
    assert environ["QUERY_STRING"] == "%E5%90%8D=%E8%B0%AD&a=%20"


def scope_of(method, path):
    headers = [(b"host", b"testserver"), (b"content-type", b"application/x-www-form-urlencoded"), (b"origin", ORIGIN)]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path}
    return scope | {"query_string": b"", "headers": headers}


def test_a_client_that_reads_slowly_holds_no_thread(monkeypatch):
    def streaming(environ, start_response):
        start_response("200 OK", [])
        return (b"x" for _ in range(1000))

    threads = asgi._Threads(1)
    monkeypatch.setattr(threads, "app", streaming)
    monkeypatch.setattr(asgi, "_http", threads)

    async def run():
        reads = asyncio.Event()

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send_slowly(message):
            await reads.wait()

        slow = asyncio.create_task(application(scope_of("GET", "/"), receive, send_slowly))
        status, *_ = await asyncio.wait_for(send_in_parts("GET", "/", pieces(), b""), 30)
        waits = not slow.done()
        reads.set()
        await slow
        return status, waits

    assert asyncio.run(run()) == (200, True)


@pytest.mark.parametrize("path", ["/users/login", UPLOAD, "/admin/login/"])
def test_a_body_that_breaks_off_is_refused(path):
    """Granian says so of chunks that are none, whose client still waits for an answer."""
    messages = [{"type": "http.request", "body": b"username=li", "more_body": True}, {"type": "http.disconnect"}]
    answers = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        answers.append(message)

    asyncio.run(application(scope_of("POST", path), receive, send))

    assert answers[0]["status"] == 400
    if path != "/admin/login/":  # there a person reads it
        assert json.loads(answers[1]["body"]) == {"status": 400, "state": False, "msg": "请求数据无法解析"}
        assert dict(answers[0]["headers"])[b"access-control-allow-origin"] == ORIGIN


class TestRoomForBodies:
    @pytest.fixture(autouse=True)
    def _all_is_given_back(self):
        yield
        assert not IncomingBody.large

    def test_where_no_files_are_taken_a_large_form_is_not_even_collected(self):
        room = []

        async def parts():
            for _ in range(40):
                room.append(IncomingBody.taken)
                yield b"x" * 256 * KIB

        status, _, body = asyncio.run(send_in_parts("POST", "/verify", parts(), MULTIPART))

        assert (status, json.loads(body)["msg"]) == (413, "请求内容过大")
        assert max(room) <= MIB and room[-1] == 0

    def test_a_client_that_leaves_gives_its_room_back(self):
        async def run():
            waiting = [{"type": "http.request", "body": b"x" * MIB, "more_body": True}, {"type": "http.disconnect"}]

            async def receive():
                return waiting.pop(0)

            async def send(message):
                pass

            await application(scope_of("POST", UPLOAD), receive, send)

        asyncio.run(run())

    def test_many_that_send_slowly_neither_fill_the_memory_nor_shut_out_others(self, monkeypatch):
        monkeypatch.setattr(bodies, "ROOM", 4 * MIB)
        most = 0

        async def run():
            is_over = asyncio.Event()

            async def slowly():
                nonlocal most
                yield FORM
                for _ in range(20):
                    yield b"x" * 256 * KIB
                    most = max(most, IncomingBody.taken)
                    await asyncio.sleep(0)
                await is_over.wait()

            crowd = [asyncio.create_task(send_in_parts("POST", UPLOAD, slowly(), MULTIPART)) for _ in range(50)]
            while IncomingBody.taken < 4 * MIB - 512 * KIB:
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
    *("/users/uploadAvatar", "/users/updateUser", "/category/addCategory", "/category/updateCategory"),
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
