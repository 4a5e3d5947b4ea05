"""What reaches the API through ``config.asgi``, the one port of `make up` and the container, and through WSGI.

And what a body may cost before its sender is known.
"""

import asyncio
import io
import json
import sys
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection
from unittest import mock

import pytest
from a2wsgi import WSGIMiddleware
from django.test import RequestFactory

from config import asgi, wsgi
from core.api import bodies
from core.api.bodies import BLOCK, BODY_LIMIT, FREE, KIB, MAX_VALUES, MIB, PAGE_LIMIT, IncomingBody, body_limit
from core.api.routing import endpoints
from tests.kit import free_ports
from tests.processes import web_processes

pytestmark = pytest.mark.django_db
ORIGIN = b"https://front.example"
MULTIPART = b"multipart/form-data; boundary=x"
FORM = b'--x\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
LOGIN, ADD, UPLOAD = "/users/login", "/students/addstu", "/upload/uploadImg"


def scope_of(method, path, kind=b"", query=b""):
    headers = [(b"host", b"testserver"), (b"content-type", kind), (b"x_forwarded_for", b"6.6.6.6"), (b"origin", ORIGIN)]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode()}
    return scope | {"query_string": query, "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1)}


async def send_in_parts(method, path, parts, kind, query=b"", end=None):
    """Send a request whose body comes in ``parts``; answer the HTTP status, the headers and the body.

    :param end: the message after the last part, in place of an empty part.
    """
    calls = []
    coming = aiter(parts)

    async def receive():
        part = await anext(coming, None)
        return (part is None and end) or {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message):
        calls.append(message)

    await asgi.application(scope_of(method, path, kind, query), receive, send)
    return calls[0]["status"], dict(calls[0]["headers"]), b"".join(m.get("body", b"") for m in calls[1:])


async def pieces(*chunks):
    for chunk in chunks:
        yield chunk


def call(method, path, *chunks, query=b""):
    status, _, body = asyncio.run(send_in_parts(method, path, pieces(*chunks), b"application/json", query))
    return status, json.loads(body)


def test_a_body_in_pieces_is_one_body_and_raw_chinese_in_the_query_is_read():
    status, body = call("POST", LOGIN, b'{"username": ', b'"li"}')
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
        slow = asyncio.create_task(send_in_parts("POST", LOGIN, pieces(), b"application/json"))
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

        slow = asyncio.create_task(asgi.application(scope_of("GET", "/"), receive, send_slowly))
        status, *_ = await asyncio.wait_for(send_in_parts("GET", "/", pieces(), b""), 30)
        waits = not slow.done()
        reads.set()
        await slow
        return status, waits

    assert asyncio.run(run()) == (200, True)


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

    @pytest.mark.parametrize("path", [LOGIN, UPLOAD, "/admin/login/"])
    def test_a_body_that_breaks_off_is_refused_and_gives_its_room_back(self, path):
        """Granian says so of chunks that are none, whose client still waits for an answer."""
        parts, kind = pieces(b"username=li&a=", b"x" * 64 * KIB), b"application/x-www-form-urlencoded"
        answer = send_in_parts("POST", path, parts, kind, end={"type": "http.disconnect"})

        status, headers, body = asyncio.run(answer)

        assert status == 400
        if path != "/admin/login/":  # there a person reads it
            assert json.loads(body) == {"status": 400, "state": False, "msg": "请求数据无法解析"}
            assert headers[b"access-control-allow-origin"] == ORIGIN

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
            login = send_in_parts("POST", LOGIN, pieces(b'{"username": "li"}'), b"application/json")
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
TAKES_FILES_IN_OFFICE = {
    "/admin/students/transferrun/import/": True,
    "/admin/students/transferrun/photos/": True,
    "/admin/students/student/add/": True,
    "/admin/shop/product/1/change/": True,
    "/admin/shop/category/add/": True,
    "/admin/students/student/": False,
    "/admin/shop/order/1/change/": False,
    "/admin/login/": False,
    "/admin/nowhere/": False,
}


class TestLimits:
    """The same limits where a server speaks WSGI: by the announced length."""

    def test_quick_calls_only_read(self):
        assert {call.path for call in endpoints() if call.is_quick and call.methods != ("GET",)} == {"/verify"}

    def test_a_large_form_is_for_calls_that_take_files_however_their_path_is_written(self):
        paths = {
            call.path for call in endpoints() if body_limit(f"{call.path.upper()}/", MULTIPART.decode()) > PAGE_LIMIT
        }

        assert paths == TAKES_FILES == {call.path for call in endpoints() if call.takes_files}

    def test_in_the_back_office_for_pages_whose_form_takes_files(self, office):
        answers = {page: office.post(page, {"file": io.BytesIO(b"x" * 2 * MIB)}) for page in TAKES_FILES_IN_OFFICE}

        assert {page: answer.status_code != 413 for page, answer in answers.items()} == TAKES_FILES_IN_OFFICE
        for answer in (answer for answer in answers.values() if answer.status_code == 413):  # a person reads it
            assert answer["Content-Type"].startswith("text/html") and "内容太大" in answer.content.decode()

    @pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "-1", "1e9", ""])
    def test_an_odd_length_is_no_fault_of_ours(self, api, length):
        answer = api.http.post(UPLOAD, b"{}", content_type="application/json", CONTENT_LENGTH=length)

        assert answer.status_code < 500


@pytest.fixture
def parser(monkeypatch):
    """What parses JSON bodies, and counts them."""
    parser = mock.Mock(wraps=bodies.orjson.loads)
    monkeypatch.setattr(bodies.orjson, "loads", parser)
    return parser


class TestStructure:
    @pytest.mark.parametrize("values", [b"{}", b"[]", b"1", b'""', b"[[[[[[]]]]]]"])
    def test_too_many_values_are_refused_before_they_are_parsed(self, api, parser, values):
        body = b'{"username": [' + b",".join([values] * (MAX_VALUES + 1)) + b"]}"

        answer = api.http.post(LOGIN, body[:BODY_LIMIT], content_type="application/json")

        assert (answer.status_code, answer.json()["msg"], parser.called) == (413, "请求内容过大", False)

    def test_a_call_takes_less_than_a_page(self, api):
        answers = [
            api.http.post(path, b"a=" + b"x" * BODY_LIMIT, content_type="application/x-www-form-urlencoded")
            for path in (LOGIN, "/admin/login/")
        ]

        assert [answer.status_code for answer in answers] == [413, 200] and BODY_LIMIT < PAGE_LIMIT

    def test_a_full_role_fits(self, root):
        rows = [f"/{number:04}/{'x' * 60}" for number in range(1000)]
        menu = [{"name": "学员管理"} for _ in range(500)]

        answer = root.post("/permission/addrole", json.dumps({"roleid": "9", "rows": rows, "menuList": menu}))

        assert answer.json()["state"] is True, answer.json()

    @pytest.mark.parametrize("path", ["/verify", "/sandbox/control/trades", "/admin/login/", "/nothing"])
    def test_a_query_of_many_names_is_refused_without_a_traceback_in_the_log(self, api, path, caplog):
        names = "&".join(f"a{number}=1" for number in range(1_001))

        assert api.http.get(f"{path}?{names}").status_code == 413
        assert not [record for record in caplog.records if record.exc_info or record.name.startswith("django.security")]
        assert api.http.get(f"{path}?{names.removesuffix('&a1000=1')}").status_code != 413

    def test_so_is_a_form_of_many_fields_or_parts(self, api):
        fields = "&".join(f"a{number}=1" for number in range(2_000))

        assert api.http.post(LOGIN, fields, content_type="application/x-www-form-urlencoded").status_code == 413

        part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        for body in (part * 2_000, part.replace(b'"a"', b'"a"; filename="a"') * 5):
            answer = api.http.post(UPLOAD, body + b"--x--\r\n", content_type=MULTIPART.decode())
            assert answer.status_code == 413


def test_small_parts_are_joined_to_blocks_and_no_block_grows_large():
    body = IncomingBody(PAGE_LIMIT)
    for _ in range(5):
        body.add(b"x" * (BLOCK // 2))

    parts = [asyncio.run(body.receive()) for _ in range(4)]
    assert [len(part["body"]) for part in parts] == [BLOCK, BLOCK, BLOCK // 2, 0]
    assert [part["more_body"] for part in parts] == [True, True, False, False]
    body.end()


def test_a_part_costs_the_same_however_many_bodies_are_open():
    """Else a stranger with thousands of them holds the event loop, a byte at a time."""
    open_bodies = [IncomingBody(PAGE_LIMIT) for _ in range(300)]
    for body in open_bodies:
        body.add(b"x" * (FREE + 1))
    steps = mock.Mock()

    sys.setprofile(steps)
    open_bodies[0].add(b"x")
    sys.setprofile(None)

    assert steps.call_count < 100
    assert IncomingBody.taken == 301
    for body in open_bodies:
        body.end()
    assert (IncomingBody.taken, IncomingBody.large) == (0, set())


def test_a_stranger_is_refused_before_the_body_is_parsed(api, parser):
    answer = api.http.post(ADD, {"name": "x" * 5_000}, content_type="application/json")

    assert (answer.json()["code"], parser.called) == ("10022", False)


@pytest.mark.parametrize(("announced", "status"), [(16, "200 OK"), (17, "400 Bad Request")])
def test_a_part_of_a_body_is_no_body(roles, announced, status):
    """Granian reads as many bytes as have come when a client leaves."""
    environ = RequestFactory().post(LOGIN).environ | {"wsgi.input_terminated": True, "CONTENT_LENGTH": str(announced)}
    environ |= {"CONTENT_TYPE": "application/x-www-form-urlencoded", "wsgi.input": io.BytesIO(b"username=li&a=%E")}
    statuses = []

    wsgi.application(environ, lambda line, headers: statuses.append(line))

    assert statuses == [status]


def test_a_body_is_read_to_its_end_and_as_far_as_it_may_be_long_in_chunks_too(tmp_path, transactional_db):
    def answer(path, body, **headers):
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            is_chunked = isinstance(body, list)
            with suppress(*[BrokenPipeError] * is_chunked):  # of chunks: the answer may come before all are sent
                connection.request("POST", path, body, headers, encode_chunked=is_chunked)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def login(body):
        status, envelope = answer(LOGIN, body, **{"Content-Type": "application/json"})
        return status, envelope["msg"]

    with web_processes(free_ports(1), STATE_DIR=str(tmp_path)) as (port,):
        # A server that closes with a part unread resets the connection, and nginx answers 502 in place of us.
        for _ in range(5):
            _, refusal = answer(ADD, b"x" * 5 * MIB, **{"Content-Type": MULTIPART.decode(), "authorization": "expired"})
            assert refusal["code"] == "1004"
        assert login(b'{"username": "li", "password": "x"}') == (200, "用户名或者密码错误")
        assert login([b'{"username": "li", "pass', b'word": "x"}']) == (200, "用户名或者密码错误")
        assert login([b"x" * BODY_LIMIT] * 2) == (413, "请求内容过大")
