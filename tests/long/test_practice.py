"""A practice server from the deployed files: the units, nginx.conf and spms.env.example with one setting changed.

A person joins, gets a school of one's own, buys there, pays on the own phone, logs in by a scan of it, and breaks the
own calls.
"""

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connections

from operations import units
from tests.kit import free_ports
from tests.processes import DEPLOYED_HOST as HOST
from tests.processes import ROOT, Service, bare_environ, database_url, nginx_before, until

pytestmark = pytest.mark.django_db
NAME = "practice_from_deployed"
LINE = "练习服务器，不会真的扣款"
LILEI = {"username": "lilei", "password": "kai-ge-2026", "nickname": "李雷"}
INVITE = """
from django.utils import timezone
from practice.services import invitation_make, terms_keep
terms_keep(class_name="H5", roleid="102", students=3)
print(invitation_make(class_name="H5", days=1, places=41, by="root", now=timezone.now()).code)
"""


@pytest.fixture(scope="module")
def environ(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        url = database_url()
        connections.close_all()
    (web,) = free_ports(1)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        database.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
        there = urlsplit(url)._replace(path=f"/{NAME}").geturl()
        # The port and the engines are those of the test.
        own = {"WEB_URL": f"http://127.0.0.1:{web}", "REDIS_URL": settings.REDIS_URL, "DATABASE_URL": there}
        own["DJANGO_SETTINGS_MODULE"] = "config.settings.practice"
        yield bare_environ(tmp_path_factory.mktemp("practice"), **own)
        database.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def manage(environ, *words, **more):
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=environ | more, capture_output=True, text=True)


class Caller:
    """A client behind nginx, which here speaks https without TLS."""

    def __init__(self, port):
        self.base, self.token = f"http://127.0.0.1:{port}", ""
        self.cookies = {}

    def __call__(self, path, data=None, form=None):
        headers = {"Host": HOST, "Referer": f"https://{HOST}/"} | ({"authorization": self.token} if self.token else {})
        # By hand, because these cookies are for https.
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        method = "GET" if data is None and form is None else "POST"
        answer = requests.request(
            method, self.base + path, json=data, data=form, headers=headers, timeout=60, allow_redirects=False
        )
        self.cookies |= answer.cookies.get_dict()
        return answer

    def form(self, path, **fields):
        """Fill in a page's form as a browser does."""
        mark = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self(path).text)
        assert mark, path
        return self(path, form=fields | {"csrfmiddlewaretoken": mark[1]})


@pytest.fixture(scope="module")
def server(environ, tmp_path_factory):
    """Start everything; return a client, and the code of an invitation."""
    home = tmp_path_factory.mktemp("nginx")
    prepared = manage(environ, "prepare", ROOT_PASSWORD="long-enough-2026")
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    collected = manage(environ, "collectstatic", "--noinput", "-v0")
    assert collected.returncode == 0, collected.stderr
    code = manage(environ, "shell", "--no-imports", "-c", INVITE).stdout.split()[-1]
    web, (socket,) = int(environ["WEB_URL"].rpartition(":")[2]), free_ports(1)
    with ExitStack() as stack:
        for name, more in {
            "web": ("--port", str(web), "--workers", "1"),
            "socket": ("--port", str(socket)),
            "worker@money": (),
        }.items():
            command, log = units.command(name, *more), home / f"{name}.log"
            stack.enter_context(Service(command, units.environment(name) | environ, log))
        changes = {"X-Forwarded-Proto $scheme": "X-Forwarded-Proto https"}
        (port, _) = stack.enter_context(nginx_before(home, web=web, socket=socket, changes=changes))
        caller = Caller(port)
        assert until(lambda: caller("/health/ready").ok, 150), (home / "web.log").read_text()[-3000:]
        assert until(lambda: caller("/socket.io/?EIO=4&transport=polling").ok, 60)
        yield caller, code


@pytest.fixture(scope="module")
def lilei(server):
    caller, code = server
    body = caller("/users/join", LILEI | {"invite": code}).json()
    assert (body["status"], body["state"]) == (1, True), body
    caller.token = body["token"]
    return caller


def test_it_marks_its_database_and_production_refuses_it(environ, server):
    secrets = {"DJANGO_SETTINGS_MODULE": "config.settings.production"}
    refused = manage(environ, "seed_roles", **secrets)
    assert refused.returncode != 0 and "The database is that of a practice server." in refused.stderr
    assert "WECHAT_PAY_MCH_ID: a practice" in manage(environ, "check", WECHAT_PAY_MCH_ID="1900000109").stderr
    assert "这是练习服务器" in manage(environ, "doctor").stdout


def test_every_page_says_what_it_is_and_no_public_password_opens_it(server):
    caller, code = server
    for path in (
        "/",
        "/docs/",
        "/docs/client/",
        "/docs/course/",
        "/admin/login/",
        "/sandbox/phone/",
        f"/practice/join/?invite={code}",
    ):
        assert LINE in caller(path).text, path
    assert caller("/users/login", {"username": "lbw", "password": "555"}).json()["state"] is False


def test_who_joins_buys_and_pays_in_a_school_of_ones_own(lilei):
    assert lilei("/students/getstulist").json()["total"] == 3
    lilei("/category/addCategory", {"categoryName": "车辆"})
    (category,) = lilei("/category/getCategory").json()["data"]
    product = {
        "productName": "自行车",
        "price": 9.9,
        "description": "好",
        "inventory": 3,
        "imageUrl": "https://a.b/c.png",
    }
    added = lilei("/product/add_product", product | {"category_id": category["category_id"]}).json()
    order = lilei("/pay/pre_order", {"product_id": added["product_id"], "quantity": 1}).json()["order_id"]
    paying = lilei("/pay/payment", {"order_id": order}).json()
    assert paying["code_url"].startswith("weixin://"), paying

    paid = lilei("/sandbox/control/pay", {"code_url": paying["code_url"], "deliver": True})

    assert paid.status_code == 200, paid.text
    assert until(lambda: lilei(f"/order/query_order_status?order_id={order}").json()["msg"] == "支付成功", 60)


def test_a_scan_on_the_own_phone_logs_in_the_own_account(lilei):
    polling = "/socket.io/?EIO=4&transport=polling"
    session = json.loads(lilei(polling).text.removeprefix("0"))["sid"]
    lilei(f"{polling}&sid={session}", form="40")
    heard = []

    def event(name):
        heard.append(lilei(f"{polling}&sid={session}").text)
        found = re.search(rf'\["{name}",(\{{.*?\}})\]', "".join(heard))
        return json.loads(found[1]) if found else None

    sid = until(lambda: event("connectSuccess"), 60)["sid"]
    there = urlsplit(lilei(f"/users/getQrcode?sid={sid}").json()["scanCodeUrl"])
    assert there.netloc == HOST and there.scheme == "https"
    assert lilei.form("/sandbox/phone/", username="lilei", password=LILEI["password"]).status_code == 302

    allowed = lilei.form(f"{there.path}?{there.query}", person="@phone", action="allow")

    back = urlsplit(allowed.headers["Location"])
    assert lilei(f"{back.path}?{back.query}").json()["msg"] == "已扫码"
    code = until(lambda: event("scancodeSuccess"), 60)["wechatCode"]
    body = lilei(f"/users/wechatLogin?wechatCode={code}").json()
    assert body["userInfo"]["username"] == "lilei", body


def test_a_switch_delays_the_own_calls(lilei):
    assert lilei("/sandbox/control/calls", {"delay_ms": 700, "minutes": 1}).ok
    start = time.monotonic()
    answer = lilei("/verify")
    assert time.monotonic() - start >= 0.7 and answer.headers["X-Sandbox-Switch"]


def test_a_stranger_sees_no_message_and_no_order(server, lilei):
    stranger = Caller(int(lilei.base.rpartition(":")[2]))
    for path in ("/sandbox/control/trades", "/sandbox/sms/messages/"):
        answer = stranger(path)
        assert answer.status_code == 403 or LILEI["username"] not in answer.text


def test_a_class_of_forty_joins_at_once_behind_one_address(server, lilei):
    caller, code = server

    def join(number):
        body = LILEI | {"username": f"p{number:02}", "nickname": f"学员{number}", "invite": code}
        answer = requests.post(f"{caller.base}/users/join", json=body, headers={"Host": HOST}, timeout=60)
        if answer.status_code == 503:  # a busy machine has ended the transaction, and asks to come again
            time.sleep(int(answer.headers["Retry-After"]))
            return join(number)
        return answer.json()

    with ThreadPoolExecutor(40) as pool:
        bodies = list(pool.map(join, range(40)))

    assert {(body["status"], body["msg"]) for body in bodies} == {(1, "登入成功")}
    assert len({body["userInfo"]["unid"] for body in bodies}) == 40
    late = caller("/users/join", LILEI | {"username": "late", "invite": code}).json()
    assert late == {"status": 1004, "state": False, "msg": "邀请码无效或已过期"}, "41 places"


def test_whoever_guesses_codes_is_stopped(server):
    caller, _ = server
    statuses = [caller("/users/join", LILEI | {"invite": f"ACDEFH{number}"}).status_code for number in range(40, 70)]
    assert statuses.count(200) <= 20 and statuses[-1] == 429
