"""deploy/haproxy.cfg in front of a server that counts the requests which have reached it."""

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kit import deployed, free_ports
from tests.needs import HAPROXY
from tests.processes import until

pytestmark = pytest.mark.haproxy
SLOW = 24
FOR_LONG_BODIES = 16  # 8 of each host
POST = "POST /users/login HTTP/1.1\r\nHost: api.example.com\r\n{}\r\n\r\n"
KNOWN, UNKNOWN = "Content-Length: 900000", "Transfer-Encoding: chunked"
IDS = ["known length", "unknown length"]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    bodies = 0  # that somebody waits for
    names: tuple[str, ...] = ()  # of the headers of the latest GET
    checks = 0
    is_ready = True

    def handle_error(self, *args: object) -> None:
        pass  # the client has gone


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.names = tuple(name.lower() for name in self.headers)
        is_check = self.path == "/health/ready"
        self.server.checks += is_check
        self.send_response(503 if is_check and not self.server.is_ready else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.server.bodies += 1
        self.rfile.read(int(self.headers.get("Content-Length", 900_000)))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def port(web: Server, tmp_path: Path) -> Iterator[int]:
    """The port of HAProxy's entrance; without TLS, because there is no certificate here."""
    https, plain = free_ports(2)
    changes = {
        "bind :443 ssl crt /etc/haproxy/api.example.com.pem alpn h2,http/1.1": f"bind 127.0.0.1:{https}",
        "bind :80\n": f"bind 127.0.0.1:{plain}\n",
        "10.0.0.21:8001": f"127.0.0.1:{web.server_port}",
        "10.0.0.22:8001": f"127.0.0.1:{web.server_port}",
        "maxconn 20000": "maxconn 500",
        "    user haproxy\n    group haproxy\n    chroot /var/lib/haproxy\n": "",
        "timeout http-request 15s": "timeout http-request 3s",
        "/run/haproxy/admin.sock": str(tmp_path / "s"),
    }
    (tmp_path / "haproxy.cfg").write_text(deployed("haproxy.cfg", changes), "utf-8")
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")])
    try:
        assert until(lambda: is_answered(https), 30)
        yield https
    finally:
        process.terminate()
        process.wait(10)


def is_answered(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": "api.example.com"})
        return connection.getresponse().status == 200
    except OSError:
        return False  # not up yet
    finally:
        connection.close()


def test_asks_whether_a_host_can_serve_and_leaves_the_answer_to_it_where_none_can(web, port):
    assert until(lambda: web.checks >= 4, 10)  # two hosts
    web.is_ready, seen = False, web.checks
    assert until(lambda: web.checks >= seen + 8, 20)  # both are marked down, which ends what waits for them

    assert is_answered(port)


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
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"Host": "api.example.com", "X_Forwarded_For": "6.6.6.6", "X-Kept": "1"})

    assert connection.getresponse().status == 200
    assert "x_forwarded_for" not in web.names and {"x-forwarded-for", "x-kept"} <= {*web.names}
    connection.close()


def slow_senders(stack: ExitStack, port: int, head: str, beginning: bytes) -> None:
    for _ in range(SLOW):
        line = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        line.sendall(POST.format(head).encode() + beginning)


@pytest.mark.parametrize(("head", "beginning"), [(KNOWN, b"{"), (UNKNOWN, b"1\r\n{\r\n")], ids=IDS)
def test_a_slow_body_takes_no_thread_of_ours(web, port, head, beginning):
    with ExitStack() as stack:
        slow_senders(stack, port, head, beginning)
        time.sleep(1)

        assert web.bodies == 0
        assert is_answered(port)


@pytest.mark.parametrize(
    ("head", "beginning"), [(KNOWN, b"x" * 20_000), (UNKNOWN, b"5000\r\n" + b"x" * 0x5000)], ids=IDS
)
def test_long_bodies_share_a_few_threads(web, port, head, beginning):
    with ExitStack() as stack:
        slow_senders(stack, port, head, beginning)
        assert until(lambda: web.bodies == FOR_LONG_BODIES, 20)
        time.sleep(1)

        assert web.bodies == FOR_LONG_BODIES
        assert is_answered(port)
