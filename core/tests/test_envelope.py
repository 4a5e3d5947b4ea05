"""What every answer has in common, and the failures that have an HTTP status of their own."""

import errno
import io
import json
import logging
from datetime import datetime
from unittest import mock
from urllib.parse import quote

import pytest
import redis
import structlog
from django.conf import settings
from django.db import InternalError, OperationalError, connection
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import RequestFactory
from psycopg.errors import IdleInTransactionSessionTimeout

from config.wsgi import application as wsgi_application
from core import errors
from core.api.envelope import translate
from core.api.request import absolute_url, client_ip
from core.errors import DomainError
from core.observe.logs import configure
from students.tests.factories import student

pytestmark = pytest.mark.django_db
LOGIN, EDIT = "/users/login", "/students/updatestu"
FORM = "application/x-www-form-urlencoded"


def every_error(kind=DomainError):
    for error in kind.__subclasses__():
        yield error
        yield from every_error(error)


def test_all_errors_make_an_envelope_and_only_three_refusals_and_wechats_table_have_a_code():
    with_code = {error for error in every_error() if error.code is not None}
    ours = {error for error in with_code if not error.__module__.startswith("payments.")}

    # A refusal with a sentence of its own keeps the code of its kind.
    assert {error for error in ours if error.__base__ not in ours} == {
        errors.LoginRequired,
        errors.TokenInvalid,
        errors.NotPermitted,
    }
    assert not any(error.code in {"10022", "1004", "10026"} for error in with_code - ours)

    for error in every_error():
        assert isinstance(error.status, int) and isinstance(error.msg, str) and error.msg
        assert error.http_status == 200 or error.http_status >= 400


def sent_raw(path, body, kind, token="", method="POST", query="page=%E4"):
    """Send a body with its type as a server does that speaks WSGI; return the envelope."""
    headers = {"authorization": token}
    environ = RequestFactory().generic(method, path, QUERY_STRING=query, headers=headers).environ
    environ |= {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    with mock.patch.object(DatabaseWrapper, "close_if_unusable_or_obsolete"):  # the test's transaction goes on
        return json.loads(b"".join(wsgi_application(environ, lambda status, headers: None)))


class TestTransport:
    @pytest.mark.parametrize("path", ["/nowhere", "/users", "/users/login/x", "/%00", "/%ff", "/学员", "//users/login"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_an_unknown_path_is_a_404_in_the_envelope(self, api, path, method):
        answer = getattr(api.http, method)(path)

        assert answer.status_code == 404
        assert answer.json() == {"status": 404, "state": False, "msg": "接口地址错误"}

    @pytest.mark.parametrize(("path", "methods"), [("/students/getstulist", {"GET", "HEAD"}), (LOGIN, {"POST"})])
    def test_options_and_the_405_of_a_wrong_method_name_the_right_ones_without_a_login(self, api, path, methods):
        answer, wrong = api.http.options(path), api.http.put(path)

        assert (answer.status_code, answer.json()) == (200, {"status": 200, "state": True})
        assert (wrong.status_code, wrong.json()) == (405, {"status": 405, "state": False, "msg": "请求方式错误"})
        for allowed in (answer["Allow"], wrong["Allow"]):
            assert set(allowed.split(", ")) == methods | {"OPTIONS"}

    @pytest.mark.parametrize(
        "body",
        [
            *(b"{", b"[1]", b'"text"', b"null", b"\xff\xfe", b'{"username": "\xff"}', b'{"username": "\\ud800"}'),
            *(b'{"a": NaN}', b"[" * 5000, b'{"a":' * 5000),
        ],
    )
    def test_broken_json_is_a_400(self, api, body):
        answer = api.post(LOGIN, body)

        assert (answer.status_code, answer.json()) == (400, {"status": 400, "state": False, "msg": "请求数据无法解析"})

    @pytest.mark.parametrize("body", [b"", b"  ", b"{}", b"\xef\xbb\xbf{}"])
    def test_no_json_is_an_empty_one(self, api, body):
        assert api.post(LOGIN, body).json()["msg"] == "没有传递用户名或者密码"

    @pytest.mark.parametrize("kind", ["text/plain", "application/xml", "image/png", "nonsense"])
    def test_an_unknown_format_is_a_415(self, api, kind):
        answer = api.http.post(LOGIN, b"username=li", content_type=kind)

        assert (answer.status_code, answer.json()) == (415, {"status": 415, "state": False, "msg": "不支持的数据格式"})

    @pytest.mark.parametrize("charset", ["utf-8", "gbk", "base64", "rot13", "utf-16", "idna", "no-such", "hex", '"'])
    @pytest.mark.parametrize("kind", [FORM, "application/json"])
    def test_odd_charsets_do_not_matter(self, db, roles, kind, charset):
        body = b'{"username": "li"}' if kind.endswith("json") else b"username=li&page=%E4"

        assert sent_raw(LOGIN, body, f"{kind}; charset={charset}")["msg"] == "没有传递用户名或者密码"

    @pytest.mark.parametrize("odd", ["charset*0=base64", "charset*=utf-8''hex", "x*=no-such''y", "x*=idna''%ff"])
    def test_a_parameter_that_is_written_with_asterisks_does_not_matter(self, db, roles, odd):
        assert sent_raw(LOGIN, b"username=li", f"{FORM}; {odd}")["msg"] == "没有传递用户名或者密码"

    def test_a_boundary_may_be_of_asterisks(self, lbw):
        body = f'--**\r\nContent-Disposition: form-data; name="token"\r\n\r\n{lbw.token}\r\n--**--\r\n'

        assert sent_raw("/verify", body.encode(), "multipart/form-data;boundary=**")["msg"] == "校验成功"

    @pytest.mark.parametrize("charset", ["gbk", '"GB2312"', "gb18030"])
    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (FORM, "sId={}&name=谭[{{"),
            (FORM, f"sId={{}}&name={quote('谭', encoding='gbk')}[{{{{"),
            ("application/json", '{{"sId": "{}", "name": "谭[{{"}}'),
            (
                "multipart/form-data; boundary=x",
                '--x\r\nContent-Disposition: form-data; name="sId"\r\n\r\n{}\r\n'
                '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n谭[{{\r\n--x--\r\n',
            ),
        ],
    )
    def test_a_body_that_says_it_is_gbk_is_read_as_that(self, root, kind, body, charset):
        tan = student(name="before")
        tan.save()

        answer = sent_raw(EDIT, body.format(tan.sid).encode("gbk"), f"{kind}; charset={charset}", root.token)

        tan.refresh_from_db()
        assert (answer["state"], tan.name) == (True, "谭[{")

    def test_a_query_is_in_utf_8_whatever_the_type_says(self, root):
        student(name="谭").save()

        query = f"key={quote('谭')}"
        answer = sent_raw("/students/searchstu", b"", "application/json; charset=gbk", root.token, "GET", query)

        assert answer["total"] == 1

    def test_json_that_is_not_in_the_charset_it_names_is_a_400(self, roles):
        assert sent_raw(LOGIN, b'{"username": "\xff"}', "application/json; charset=gbk")["status"] == 400


class TestParameters:
    @pytest.mark.parametrize("page", ["abc", "-1", "0", "1.5", "1e3", "٣x", "9" * 2000, "true", "[1]", "1_0"])
    @pytest.mark.parametrize("name", ["page", "count"])
    def test_no_positive_integer_is_an_error_in_msg(self, lbw, name, page):
        answer = lbw.get("/getloginlog", **{name: page})

        assert answer.status_code == 200
        assert answer.json()["state"] is False and name in answer.json()["msg"]

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("page=&count=%20&_id=x&whatever=[", ""),  # blank is absent, and the unknown ignored
            ("page=abc&page=1", ""),  # the last of a repeated one counts
            ("page=1&count=x&count=", "count: "),  # a blank one of them is as absent
            ("page=1&count[]=5&count[]=x", "count: "),  # the brackets behind the name of a list do not count
        ],
    )
    def test_of_a_query_what_counts_is_read(self, lbw, query, reason):
        body = lbw.get(f"/getloginlog?{query}").json()

        assert body["state"] is not bool(reason) and reason in body["msg"]

    def test_blanks_count_for_the_length_and_nul_is_refused_deep_inside_json_too(self, root, lbw):
        long = {"roleid": "300", "roleName": " " * 10 + "n" * 60}
        menu = [{"name": "a", "children": [{"name": "b\x00"}]}]

        assert root.post("/permission/addrole", long).json()["msg"].startswith("roleName: ")
        refusal = {"status": 0, "state": False, "msg": "roleid: 包含非法字符"}
        assert lbw.get("/permission/getrole?roleid=a%00b").json() == refusal
        assert root.post("/permission/addrole", {"roleid": "9", "menuList": menu}).json()["state"] is False


@pytest.fixture
def broken(monkeypatch):
    """Below this address views fail."""
    monkeypatch.setattr("config.front.chapters", mock.Mock(side_effect=RuntimeError("the secret reason")))
    return "/docs/staff/"


class TestAnswers:
    def test_carry_a_request_id_and_keep_a_proxys_and_are_neither_sniffed_nor_kept(self, api):
        first, second = api.get("/verify"), api.get("/health/live")
        answer = api.get("/nowhere", headers={"x-request-id": "from-the-proxy_1"})
        forged = api.get("/nowhere", headers={"x-request-id": "a b\tc"})

        assert len(first["X-Request-Id"]) == 20 and first["X-Request-Id"] != second["X-Request-Id"]
        assert answer["X-Request-Id"] == "from-the-proxy_1" and len(forged["X-Request-Id"]) == 20
        assert (first["X-Content-Type-Options"], first["Cache-Control"]) == ("nosniff", "no-store")
        assert first["Content-Type"] == "application/json; charset=utf-8"

    def test_our_own_fault_names_the_request_and_nothing_else(self, api, monkeypatch, caplog):
        failure = RuntimeError("the secret reason")
        monkeypatch.setattr("accounts.api.views.captcha_make", mock.Mock(side_effect=failure))

        answer = api.get("/users/getCaptcha")

        body = {"status": 500, "state": False, "msg": "服务器内部错误", "request_id": answer["X-Request-Id"]}
        assert (answer.status_code, answer.json()) == (500, body)
        assert "the secret reason" in caplog.text

    def test_our_own_fault_outside_the_api_too(self, api, broken):
        answer = api.http.get(f"{broken}x/")

        assert (answer.status_code, answer.json()["msg"]) == (500, "服务器内部错误")
        assert answer.json()["request_id"] == answer["X-Request-Id"]

    @pytest.mark.parametrize("host", ["a/b@c", "evil.example"])
    def test_a_host_that_is_none_or_foreign_is_refused_without_filling_the_log(self, api, caplog, settings, host):
        settings.ALLOWED_HOSTS = ["api.example.com"]
        answer = api.get("/users/getCaptcha", headers={"host": host})

        assert answer.status_code == 400
        assert "Traceback" not in caplog.text and host not in caplog.text

    def test_cross_origin_pages_may_send_headers_of_their_own_and_foreign_ones_nothing(self, api, settings):
        origin = {"origin": "https://front.example"}
        names = "authorization,cache-control,content-type,token"
        headers = {"access-control-request-method": "POST", "access-control-request-headers": names}

        preflight, wrong_path = (api.http.options(path, headers=origin | headers) for path in (LOGIN, "/user/login"))

        for response in (preflight, api.get("/verify", headers=origin)):
            assert response["Access-Control-Allow-Origin"] == "https://front.example"
            assert response["Access-Control-Allow-Credentials"] == "true"
            assert "origin" in response["Vary"].lower()
        for answer in (preflight, wrong_path):  # else the page would read of CORS, not that its path is wrong
            assert answer["Access-Control-Allow-Headers"] == names
        settings.CORS_ALLOW_ALL_ORIGINS, settings.CORS_ALLOWED_ORIGINS = False, ["https://front.example"]
        evil = {"origin": "https://evil.example"}
        for answer in (api.get("/verify", headers=evil), api.http.options(LOGIN, headers=evil | headers)):
            assert not any(name.startswith("Access-Control-Allow") for name in answer.headers)


def test_calls_without_the_database_say_503_and_no_word_of_where_it_is(api, monkeypatch):
    refusal = OperationalError("connection to 10.0.0.1 as spms failed")
    monkeypatch.setattr(DatabaseWrapper, "cursor", mock.Mock(side_effect=refusal))

    answer = api.post(LOGIN, {"username": "li", "password": "x"})

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"status": 503, "state": False, "msg": "服务暂时不可用,请稍后再试"}
    assert api.get("/health/ready").json()["checks"] == {"database": "OperationalError"}
    assert api.get("/users/getCaptcha").json()["state"] is True  # what needs none goes on


def raised_from(cause, error):
    error.__cause__ = cause
    return error


class TestEnginesThatTakeNoWrites:
    """A primary that has become a standby, a Valkey with a full disk or memory, and a transaction that was ended."""

    @pytest.mark.parametrize("path", [LOGIN, "/admin/login/"])
    def test_a_standby_is_told_as_503(self, api, path, person):
        person("li", "1", password="555-555-555", is_staff=True)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET TRANSACTION READ ONLY")

        answer = api.post(path, {"username": "li", "password": "555-555-555"}, format="form")

        assert (answer.status_code, answer["Retry-After"]) == (503, "5")

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (
                redis.exceptions.ResponseError("MISCONF Valkey is configured to save RDB snapshots, but it's unable"),
                503,
            ),
            (redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), 503),
            (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), 503),
            (OSError(errno.ENOSPC, "No space left on device"), 503),  # a large upload waits in a temporary file
            (raised_from(IdleInTransactionSessionTimeout(), InternalError()), 503),  # we were too busy to go on
            (InternalError("cursor does not exist"), 500),
            (redis.exceptions.ResponseError("WRONGTYPE Operation against a key"), 500),  # a mistake of ours
        ],
    )
    def test_what_cannot_write_is_told_as_503(self, error, status):
        outcome = translate(error)

        assert (outcome.http_status, outcome.headers.get("Retry-After")) == (status, "5" if status == 503 else None)


class TestAddresses:
    @pytest.mark.parametrize(
        "hops, forwarded, expected",
        [
            (0, "1.1.1.1", "10.0.0.1"),
            (1, "1.1.1.1", "1.1.1.1"),
            (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
            (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
            (2, "1.1.1.1", "10.0.0.1"),
            (1, "unknown", "10.0.0.1"),
            (1, "x" * 5000, "10.0.0.1"),
            (1, "2001:DB8::1", "2001:db8::1"),
            (1, "::ffff:1.2.3.4", "1.2.3.4"),
        ],
    )
    def test_a_forged_header_counts_only_behind_known_proxies(self, settings, hops, forwarded, expected):
        settings.TRUSTED_PROXIES = hops
        request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": forwarded})

        assert client_ip(request) == expected

    def test_links_begin_with_the_public_address_or_what_was_called(self, settings):
        request = RequestFactory().get("/", headers={"host": "here:8000"})
        settings.PUBLIC_BASE_URL, settings.PUBLIC_BASE_URL_IS_SET = "https://api.example.com", False

        assert absolute_url(request, "/media/a.png") == "http://here:8000/media/a.png"
        settings.PUBLIC_BASE_URL_IS_SET = True
        assert absolute_url(request, "/media/a.png") == "https://api.example.com/media/a.png"


class TestLogs:
    """Passwords, tokens and captcha answers never reach a log; whole lines are looked at, as they are written."""

    @pytest.fixture(params=["json", "console"])
    def lines(self, request):
        configure({"format": request.param, "level": "DEBUG"})
        (handler,) = logging.getLogger().handlers
        handler.setStream(written := io.StringIO())
        yield written.getvalue
        configure(settings.LOGGING)

    def test_passwords_tokens_and_codes_are_not_logged(self, lines, person, api, monkeypatch):
        monkeypatch.setattr("accounts.captcha.ALPHABET", "Q")
        li = person("li", password="top-secret-1")
        token = api.post(LOGIN, {"username": "li", "password": "top-secret-1"}).json()["token"]
        api.post(LOGIN, {"username": "li", "password": "top-secret-2"})
        api.post(LOGIN, b'{"username": "li", "password": "top-secret-3')
        li.post(
            "/users/updatePassword", {"username": "li", "oldPassword": "top-secret-1", "newPassword": "top-secret-4"}
        )
        api.get("/verify", token=token)
        api.get(f"/nowhere?token={token}&password=top-secret-5")
        key = api.get("/users/getCaptcha").json()["key"]
        api.get("/users/verifyCaptcha", key=key, captcha="QQQQ")

        written = lines()
        assert written.count("/users/login") >= 3
        for secret in ("top-secret", token, token.split(".")[1], li.token, "QQQQ", "qqqq"):
            assert secret not in written

    def test_a_librarys_words_are_masked(self, lines):
        log = logging.getLogger("some.library")
        for text in (
            "GET /x?access_token=hush-1&b=2",
            'body {"password": "hush-2 with blanks", "a": 1}',
            "{'appsecret': 'hush-3'}",
            "authorization: Bearer hush-4",
            "newPassword=hush-5",
            "wechatCode=hush-6 code=hush-7",
            'cut off: {"password": "hush-10 with blanks',  # the quote is never closed
        ):
            log.warning(text)
        row = "failed for token=hush-8\nDETAIL:  Failing row contains (7, hush-11, hush-12\n\nhush-13)."
        try:
            raise RuntimeError(row)
        except RuntimeError:
            log.exception("it broke")
        logging.getLogger("other").warning("fine: %s", "secret=hush-9")

        written = lines()
        assert "hush" not in written and "with blanks" not in written
        assert "it broke" in written and "***" in written

    def test_of_a_path_300_characters_are_shown(self, lines, api, broken):
        api.http.get(f"{broken}{'p' * 5000}/")  # ours and Django's own line
        api.http.get("/nowhere/" + "p" * 5000)

        written = lines()
        assert written.count(broken) >= 2 and "/nowhere/" in written
        assert "p" * 280 in written and "p" * 300 not in written

    def test_a_requests_line_is_like_any_other(self, lines, api):
        api.http.get("/nowhere/password=hush")
        structlog.get_logger("core.request").info("request", method="GET", path="/x", http_status=1, took_ms=1.5)

        written = [line for line in lines().splitlines() if "core.request" in line]
        assert len(written) == 2 and "hush" not in written[0]
        if written[0].startswith("{"):
            first, second = map(json.loads, written)
            assert {name: type(value) for name, value in first.items()} == {
                name: type(value) for name, value in second.items()
            }
            assert datetime.fromisoformat(first["timestamp"]) < datetime.fromisoformat(second["timestamp"])

    def test_lines_carry_the_request_and_cannot_be_forged(self, lines, api):
        answer = api.http.get("/nowhere%0aforged=1%1b[31m")

        (line,) = [line for line in lines().splitlines() if "nowhere" in line]
        assert answer["X-Request-Id"] in line and "404" in line
        assert "\x1b" not in line
