"""deploy/ha/haproxy.cfg in front of a server that counts the requests which have reached it."""

import http.client
import json
import os
import signal
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

import pytest

from tests.kit import deployed, free_ports, reply, serving
from tests.needs import HAPROXY
from tests.processes import Service, ask, until

pytestmark = pytest.mark.haproxy
SLOW = 24
FOR_LONG_BODIES = 16  # 8 of each host
POST = "POST /users/login HTTP/1.1\r\nHost: api.example.com\r\n{}\r\n\r\n"
KNOWN, UNKNOWN = "Content-Length: 900000", "Transfer-Encoding: chunked"


@dataclass
class Web:
    """The server behind: what has reached it."""

    address: str = ""
    bodies: int = 0  # that a client waits for
    names: tuple[str, ...] = ()  # of the headers of the latest GET
    checks: int = 0
    is_ready: bool = True


class Handler(BaseHTTPRequestHandler):
    web: Web

    def do_GET(self):
        self.web.names = tuple(name.lower() for name in self.headers)
        if self.path == "/slow":
            time.sleep(8)
        is_check = self.path == "/health/ready"
        self.web.checks += is_check
        reply(self, status=503 if is_check and not self.web.is_ready else 200)

    def do_POST(self):
        self.web.bodies += 1
        self.rfile.read(int(self.headers.get("Content-Length", 900_000)))


@pytest.fixture
def web():
    web = Web()
    with serving(type("Counting", (Handler,), {"web": web})) as address:
        web.address = address.removeprefix("http://")
        yield web


@pytest.fixture
def haproxy(web, tmp_path):
    """HAProxy, and the port of its entrance; without TLS, because there is no certificate here."""
    https, plain = free_ports(2)
    changes = {
        "bind :443 ssl crt /etc/haproxy/api.example.com.pem alpn h2,http/1.1": f"bind 127.0.0.1:{https}",
        "bind :80\n": f"bind 127.0.0.1:{plain}\n",
        "10.0.0.21:8001": web.address,
        "10.0.0.22:8001": web.address,
        "maxconn 20000": "maxconn 500",
        "    user haproxy\n    group haproxy\n    chroot /var/lib/haproxy\n": "",
        "timeout http-request 15s": "timeout http-request 3s",
        "/run/haproxy/admin.sock": str(tmp_path / "s"),
    }
    (tmp_path / "haproxy.cfg").write_text(deployed("ha/haproxy.cfg", changes), "utf-8")
    with Service([HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")], os.environ, tmp_path / "log") as haproxy:
        haproxy.wait_until(lambda: is_answered(https))
        yield haproxy.process, https


@pytest.fixture
def port(haproxy):
    return haproxy[1]


def is_answered(port, **headers):
    return ask(port, "GET", "/", Host="api.example.com", **headers)[0] == 200


def test_asks_whether_a_host_can_serve_and_leaves_the_answer_to_it_where_none_can(web, port):
    assert until(lambda: web.checks >= 4, 10)  # two hosts
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(b"GET /slow HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
        web.is_ready, checks = False, web.checks
        assert until(lambda: web.checks >= checks + 8, 20)  # neither gets anything new

        assert is_answered(port)
        assert b" 200 " in line.recv(100)  # what waits for an answer gets it


@pytest.mark.parametrize(
    ("sent", "status", "msg"),
    [
        ("GET /metrics HTTP/1.1\r\nHost: api.example.com\r\n\r\n", 404, "接口地址错误"),
        (POST.format(KNOWN) + "{", 408, "请求超时,请稍后再试"),
    ],
    ids=["not for the public", "a body that never ends"],
)
def test_its_own_refusals_are_our_envelope(port, sent, status, msg):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(sent.encode())
        answer = http.client.HTTPResponse(line)
        answer.begin()

        assert (answer.status, json.loads(answer.read())) == (status, {"status": status, "state": False, "msg": msg})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_header_that_a_wsgi_server_would_take_for_another_is_dropped(web, port):
    assert is_answered(port, **{"X_Forwarded_For": "6.6.6.6", "X-Kept": "1"})

    assert "x_forwarded_for" not in web.names and {"x-forwarded-for", "x-kept"} <= {*web.names}


@pytest.mark.parametrize(
    ("head", "beginning", "reached"),
    [
        (KNOWN, b"{", 0),
        (UNKNOWN, b"1\r\n{\r\n", 0),
        (KNOWN, b"x" * 20_000, FOR_LONG_BODIES),
        (UNKNOWN, b"5000\r\n" + b"x" * 0x5000, FOR_LONG_BODIES),
    ],
)
def test_a_slow_body_takes_no_thread_of_ours_and_long_ones_share_a_few(web, port, head, beginning, reached):
    with ExitStack() as stack:
        for _ in range(SLOW):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            line.sendall(POST.format(head).encode() + beginning)
        assert until(lambda: web.bodies == reached, 20)
        time.sleep(1)

        assert web.bodies == reached
        assert is_answered(port)


def test_a_reload_answers_what_a_waiting_connection_still_sends(haproxy):
    process, port = haproxy
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for closes in (False, True):
        line.request("GET", "/", headers={"Host": "api.example.com"})
        answer = line.getresponse()
        answer.read()
        assert (answer.status, answer.will_close) == (200, closes)
        process.send_signal(signal.SIGUSR1)  # as a reload does to the process of before
        time.sleep(1)
