"""What a body may cost before its sender is known."""

import io
import json
import os
import socket
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection
from unittest import mock

import pytest

from core.api import bodies, slow_bodies
from core.api.bodies import BLOCK, BODY_LIMIT, MAX_VALUES, PAGE_LIMIT, IncomingBody
from tests.kit import free_ports
from tests.processes import until, web_processes

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

    def test_so_are_a_query_and_a_form_of_many_fields_or_parts(self, api):
        fields = "&".join(f"a{number}=1" for number in range(2_000))

        assert api.http.get(f"/verify?{fields}").status_code == 413
        assert api.http.post(LOGIN, fields, content_type="application/x-www-form-urlencoded").status_code == 413

        part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        for body in (part * 2_000, part.replace(b'"a"', b'"a"; filename="a"') * 5):
            answer = api.http.post("/upload/uploadImg", body + b"--x--\r\n", content_type=PARTS)
            assert answer.status_code == 413


def test_small_parts_are_joined_to_blocks_and_no_block_grows_large():
    body = IncomingBody(PAGE_LIMIT)
    for _ in range(5):
        body.add(b"x" * (BLOCK // 2))

    assert [len(body.take()) for _ in range(4)] == [BLOCK, BLOCK, BLOCK // 2, 0]
    body.end()


def test_a_stranger_is_refused_before_the_body_is_parsed(api, parser):
    answer = api.http.post(ADD, {"name": "x" * 5_000}, content_type="application/json")

    assert (answer.json()["code"], parser.called) == ("10022", False)


def test_a_token_in_the_body_still_counts(root):
    for kind in ("application/json", "multipart"):
        fields = {"token": root.token, "sId": "nobody"}
        options = {"content_type": kind} if kind != "multipart" else {}
        assert "code" not in root.http.post("/students/updatestu", fields, **options).json()


class TestSlowBodies:
    @pytest.fixture
    def connect(self, monkeypatch):
        """Make connections to a server; return the two ends of each."""
        monkeypatch.setattr(slow_bodies, "BODY_TIMEOUT_S", 0.6)
        monkeypatch.setattr(slow_bodies, "LOOK_EVERY_S", 0.1)
        opened = []
        with socket.create_server(("127.0.0.1", 0)) as server:

            def connected():
                client = socket.create_connection(server.getsockname())
                opened.extend([client, server.accept()[0]])
                return opened[-2:]

            yield connected
        for end in opened:
            end.close()

    @pytest.mark.parametrize("sends", ["nothing", "a byte now and then"])
    def test_one_that_does_not_come_ends_and_leaves_others_alone(self, connect, sends):
        watchdog = threading.Thread(target=slow_bodies._watch, daemon=True)
        (slow, its_end), (other, others_end) = connect(), connect()
        source = its_end.makefile("rb")
        body = slow_bodies.TimedBody(source, 1000, "127.0.0.1")
        watchdog.start()
        stop = threading.Event()

        def talk():
            while not stop.wait(0.1):
                others_end.sendall(b"answer")
                if sends != "nothing":
                    slow.sendall(b"x")

        talker = threading.Thread(target=talk)
        talker.start()
        start, opened = time.monotonic(), len(os.listdir("/proc/self/fd"))
        with source, pytest.raises(OSError, match="has not arrived"):
            body.read(1000)
        took = time.monotonic() - start
        stop.set()
        talker.join()

        assert 0.5 < took < 3
        # The watchdog has looked at each, and keeps none.
        assert until(lambda: len(os.listdir("/proc/self/fd")) <= opened, 5)
        its_end.sendall(b"refused")
        assert slow.recv(100) == b"refused"
        other.sendall(b"next")
        assert others_end.recv(100) == b"next"

    def test_a_part_of_a_body_is_no_body(self):
        with pytest.raises(OSError, match="has not arrived"):
            slow_bodies.TimedBody(io.BytesIO(b"half"), 8, "127.0.0.1").read(8)
        assert slow_bodies.TimedBody(io.BytesIO(b"whole"), 5, "127.0.0.1").read() == b"whole"


@pytest.fixture
def port(tmp_path, transactional_db):
    with web_processes(free_ports(1), STATE_DIR=str(tmp_path)) as (port,):
        yield port


def login(port: int, body: bytes | list[bytes]) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        with suppress(BrokenPipeError):  # the answer may come before all is sent
            connection.request("POST", "/users/login", body, headers, encode_chunked=isinstance(body, list))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["msg"]


def test_a_body_is_read_as_far_as_it_may_be_long_in_chunks_too(port):
    assert login(port, b'{"username": "li", "password": "x"}') == (200, "用户名或者密码错误")
    assert login(port, [b'{"username": "li", "pass', b'word": "x"}']) == (200, "用户名或者密码错误")
    assert login(port, [b"x" * BODY_LIMIT] * 2) == (413, "请求内容过大")
