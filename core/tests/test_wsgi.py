"""Granian with the WSGI application, as ``deploy/systemd`` starts it and HAProxy calls it."""

import json
from http.client import HTTPConnection

import pytest

from core.api.bodies import BODY_LIMIT
from tests.kit import free_ports
from tests.processes import web_processes


@pytest.fixture
def port(tmp_path, transactional_db):
    with web_processes(free_ports(1), STATE_DIR=str(tmp_path)) as (port,):
        yield port


def login(port: int, body: bytes | list[bytes]) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/users/login", body, headers, encode_chunked=isinstance(body, list))
    answer = connection.getresponse()
    msg = json.loads(answer.read())["msg"]
    connection.close()
    return answer.status, msg


def test_a_body_is_read_as_far_as_it_may_be_long_in_chunks_too(port):
    assert login(port, b'{"username": "li", "password": "x"}') == (200, "用户名或者密码错误")
    assert login(port, [b'{"username": "li", "pass', b'word": "x"}']) == (200, "用户名或者密码错误")
    assert login(port, [b"x" * BODY_LIMIT] * 2) == (413, "请求内容过大")
