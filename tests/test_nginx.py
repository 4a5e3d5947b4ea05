"""deploy/nginx.conf in front of two servers that answer with what they were sent."""

import http.client
import json
import socket
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from core.api.bodies import FILE_LIMIT, MIB
from core.api.routing import endpoints
from core.errors import ServiceUnavailable, Throttled
from tests.kit import deployed, reply, serving
from tests.processes import nginx_before, until
from uploads.api import media
from uploads.limits import CONTENT_TYPES

pytestmark = pytest.mark.nginx
HANGS_S = 4
BUSY = "location = /busy { limit_req zone=one; proxy_pass http://spms_web; }"
ORIGIN = "https://front.example"


class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.endswith("/dies"):
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path.endswith("/hangs"):
            time.sleep(HANGS_S)
        reply(self, {"port": self.server.server_address[1], **self.headers})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    do_OPTIONS = do_GET


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def ports(home):
    """Ports of nginx's two servers, and of what plays `web` and `socket`. Without TLS: there is no certificate here."""
    with serving(Echo) as web, serving(Echo) as sockets:
        found = {"web": urlsplit(web).port, "socket": urlsplit(sockets).port}
        changes = {
            "proxy_read_timeout 60s;": f"proxy_read_timeout {HANGS_S // 2}s;",
            # A limit as an engineer adds one.
            "map $http_upgrade": "limit_req_zone $uri zone=one:1m rate=1r/m; map $http_upgrade",
            "location /admin/ {": f"{BUSY} location /admin/ {{",
        }
        with nginx_before(home, **found, changes=changes) as (found["https"], found["http"]):
            yield found


def ask(port, path, method="GET", size=0, **headers):
    """Make a request from a page of another origin; ``size`` is that of a file which it sends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    head = {"Host": "api.example.com", "Origin": ORIGIN, "Content-Type": "multipart/form-data"}
    connection.putrequest(method, path, skip_host=True)
    for name, value in (head | {"Content-Length": str(size)} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    with suppress(ConnectionError):  # nginx answers by the announced length, and does not read on
        connection.send(b"x" * size)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.headers), body


def request_at_server(port, path, **headers):
    """Return what the server behind nginx was sent."""
    status, _, body = ask(port, path, **headers)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize(
    ("path", "whose"),
    [("/", "web"), ("/admin/login/", "web"), ("/socket.io/?EIO=4", "socket"), ("/ws/login", "socket")],
)
def test_each_path_reaches_its_process_with_who_asked_and_for_what(ports, path, whose):
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher", "X-Request-Id": "mine"}

    facts = request_at_server(ports["https"], path, **forged)

    assert (facts["port"], facts["Host"]) == (ports[whose], "api.example.com")
    assert (facts["X-Forwarded-For"], facts["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    assert len(facts["X-Request-Id"]) == 32


def test_a_websocket_is_asked_for_and_nothing_else_is(ports):
    for path in ("/socket.io/?EIO=4&transport=websocket", "/ws/login"):
        socket = request_at_server(ports["https"], path, Upgrade="websocket", Connection="Upgrade")
        assert (socket["Upgrade"], socket["Connection"]) == ("websocket", "upgrade")
        assert "Connection" not in request_at_server(ports["https"], path, Upgrade="h2c", Connection="Upgrade")


def test_tokens_are_not_logged_and_figures_stay_inside(ports, home):
    assert ask(ports["https"], "/metrics")[0] == 404
    ask(ports["https"], "/students/getstulist?token=secret")
    ask(ports["http"], "/students/getstulist?token=secret")
    assert ask(ports["https"], "/verify?token=secret", "POST", 2 * MIB)[0] == 413
    assert ask(ports["https"], "/students/getstulist?token=secret&x=/dies")[0] == 502

    # nginx writes after it has answered.
    assert until(lambda: (home / "spms.log").read_text().count("/students/getstulist") == 3, 20)
    assert not [file for file in home.glob("*.log") if "secret" in file.read_text()]


def test_a_large_body_is_for_calls_that_take_files(ports):
    for path, call in [(path.replace("<str:out_trade_no>", "x"), call) for call in endpoints() for path in call.paths]:
        for spelling in (path, path.lower() + "/"):
            status, _, _ = ask(ports["https"], spelling, "POST", 2 * MIB)
            assert status == (200 if call.takes_files else 413), spelling


def test_the_back_office_takes_what_its_pages_may_and_answers_with_a_page(ports):
    assert ask(ports["https"], "/admin/students/transferrun/import/", "POST", FILE_LIMIT)[0] == 200

    status, headers, body = ask(ports["https"], "/admin/students/transferrun/import/", "POST", FILE_LIMIT + 1)

    assert (status, headers["Content-Type"]) == (413, "text/html; charset=utf-8")
    assert "请求内容过大" in body


LATER, UNREADABLE = "服务暂时不可用,请稍后再试", "请求数据无法解析"


@pytest.mark.parametrize(
    ("path", "sent", "status", "msg"),
    [
        ("/dies", {}, 502, LATER),
        ("/hangs", {}, 504, LATER),
        ("/busy", {}, 429, "请求太频繁,请稍后再试"),
        ("/verify", {"size": 2 * MIB}, 413, "请求内容过大"),
        ("/verify", {"authorization": "x" * 20_000}, 400, UNREADABLE),
    ],
)
def test_what_nginx_refuses_is_told_in_the_envelope_and_to_pages_of_any_origin(ports, path, sent, status, msg):
    code, headers, body = ask(ports["https"], path, "POST", **sent)
    if path == "/busy":  # the limit's burst is one request
        code, headers, body = ask(ports["https"], path, "POST")

    assert (code, json.loads(body)) == (status, {"status": status, "state": False, "msg": msg})
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    if status in {429, 502, 504}:
        assert (headers["Retry-After"], headers["Access-Control-Expose-Headers"]) == ("2", "Retry-After")


def test_a_browser_may_read_that_we_are_down_after_its_preflight(ports):
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    status, headers, body = ask(ports["https"], "/dies", "OPTIONS", **preflight)

    assert (status, body) == (204, "")
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Headers"] == "authorization"


def test_an_address_that_cannot_be_read_is_told_in_the_envelope(ports):
    for path in ("/%zz", "/%00", "/../verify", "/verify?" + "x" * 40_000):
        status, headers, body = ask(ports["https"], path)

        assert (status, json.loads(body)) == (400, {"status": 400, "state": False, "msg": UNREADABLE}), path[:9]
        assert headers["Content-Type"] == "application/json; charset=utf-8"


def test_people_in_the_back_office_read_that_we_are_down_on_a_page(ports):
    for path in ("/admin/dies", "/admin/hangs"):
        status, headers, body = ask(ports["https"], path)

        assert (status, headers["Content-Type"]) == (502, "text/html; charset=utf-8")
        assert "系统暂时不可用" in body and headers["Retry-After"] == "5"


def test_the_words_are_those_of_haproxy_and_the_application(ports):
    haproxy = deployed("ha/haproxy.cfg", {})

    for status in (502, 504):
        assert f"""'{{"status":{status},"state":false,"msg":"{LATER}"}}'""" in haproxy
    assert (ServiceUnavailable.msg, Throttled.msg) == (LATER, "请求太频繁,请稍后再试")


PICTURE = "2026/11/0123456789abcdef0123456789abcdef.{}"


@pytest.mark.parametrize("extension", CONTENT_TYPES)
def test_a_picture_is_served_without_a_thread_of_ours_and_as_safely(ports, home, settings, client, extension):
    settings.MEDIA_ROOT = str(home / "media")
    name = PICTURE.format(extension)
    file = home / "media" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"its bytes")
    ours = client.get(f"/media/{name}", headers={"origin": ORIGIN})

    status, headers, body = ask(ports["https"], f"/media/{name}")

    assert (status, body) == (200, "its bytes") == (ours.status_code, b"".join(ours).decode())
    # Ours repeats the name behind "inline".
    assert ours.headers["Content-Disposition"].startswith(headers["Content-Disposition"])
    promised = (set(media.HEADERS) - {"Content-Disposition"}) | {"Content-Type", "X-Frame-Options"}
    promised |= {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"}
    assert {key: headers.get(key) for key in promised} == {key: ours.headers[key] for key in promised}
    assert "Etag" in headers or "ETag" in headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/media/" + PICTURE.format("jpg").replace("0123", "3210")),
        ("POST", "/media/" + PICTURE.format("png")),
        ("GET", "/media/" + PICTURE.format("svg")),
        ("GET", "/media/2026/11/"),
        ("GET", "/media/../nginx.conf"),
        ("GET", "/media/2026/11/..%2f..%2f..%2fnginx.conf"),
    ],
)
def test_everything_else_below_media_is_the_applications(ports, home, method, path):
    (home / "media" / PICTURE.format("png")).parent.mkdir(parents=True, exist_ok=True)
    for extension in ("png", "svg"):
        (home / "media" / PICTURE.format(extension)).write_bytes(b"its bytes")

    status, _, body = ask(ports["https"], path, method)

    assert (status, json.loads(body)["port"]) == (200, ports["web"])
