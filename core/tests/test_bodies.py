"""What a body may cost before its sender is known."""

import asyncio
import io
import json
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection
from unittest import mock

import pytest
from django.test import RequestFactory

from config.wsgi import application
from core.api import bodies
from core.api.bodies import BLOCK, BODY_LIMIT, FREE, MAX_VALUES, MIB, PAGE_LIMIT, IncomingBody
from tests.kit import free_ports
from tests.processes import web_processes

pytestmark = pytest.mark.django_db
LOGIN, ADD, PARTS = "/users/login", "/students/addstu", "multipart/form-data; boundary=x"


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
            answer = api.http.post("/upload/uploadImg", body + b"--x--\r\n", content_type=PARTS)
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

    application(environ, lambda line, headers: statuses.append(line))

    assert statuses == [status]


def test_a_body_is_read_to_its_end_and_as_far_as_it_may_be_long_in_chunks_too(tmp_path, transactional_db):
    def answer(path, body, **headers):
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            with suppress(BrokenPipeError):  # the answer may come before all is sent
                connection.request("POST", path, body, headers, encode_chunked=isinstance(body, list))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def login(body):
        status, envelope = answer(LOGIN, body, **{"Content-Type": "application/json"})
        return status, envelope["msg"]

    with web_processes(free_ports(1), STATE_DIR=str(tmp_path)) as (port,):
        # A server that closes with a part unread resets the connection, and nginx answers 502 in place of us.
        for _ in range(5):
            _, refusal = answer(ADD, b"x" * 5 * MIB, **{"Content-Type": PARTS, "authorization": "expired"})
            assert refusal["code"] == "1004"
        assert login(b'{"username": "li", "password": "x"}') == (200, "用户名或者密码错误")
        assert login([b'{"username": "li", "pass', b'word": "x"}']) == (200, "用户名或者密码错误")
        assert login([b"x" * BODY_LIMIT] * 2) == (413, "请求内容过大")
