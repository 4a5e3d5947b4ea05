"""Behind a PgBouncer in transaction mode, where each transaction may run on another connection of the server's."""

import os
import re
import shutil
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from urllib.parse import quote

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from config.database import database, direct
from core.sheets.write import sheet_write
from devstack.engines import temporary_directory
from devstack.process import run_as
from devstack.system_user import account_for
from operations import doctor
from payments.models import Payment, Refund
from payments.services.query_close import payment_query, payments_reconcile
from payments.services.refund import refund_request, refunds_run_due
from runs.exports import export_start
from runs.tasks import make_export
from shop.models import Order
from shop.services.order_close import orders_sweep
from shop.tests.factories import make_order, make_product, stock_of
from students.models import RunState, Student
from students.runs import run_confirm, run_start
from students.tasks import transfer_work
from students.tests.factories import students
from students.transfer.import_result import import_result
from tests.kit import at_once, free_ports
from tests.needs import PGBOUNCER
from tests.processes import ROOT, Service, ask, database_url, web_processes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.pgbouncer,
]
SERVER_CONNECTIONS = 3
# What PgBouncer keeps for each client and sets before it hands a connection over.
KEPT_BY_PGBOUNCER = {
    *("application_name", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone", "standard_conforming_strings"),
    "search_path",
}
# Statements that it prepares itself (max_prepared_statements) are those of all clients.
LEFT_BEHIND = """
SELECT 'setting ' || name FROM pg_settings WHERE source = 'session'
UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE is_holdable
UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements WHERE name NOT LIKE 'PGBOUNCER%'
UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'channel ' || name FROM pg_listening_channels() AS name
UNION ALL SELECT 'temporary tables' WHERE pg_my_temp_schema() <> 0
"""
HEAD = ["学号", "班级", "姓名", "年龄", "城市", "学历", "项目地址", "自我评价"]


@contextmanager
def pgbouncer():
    """Run PgBouncer in front of the test database; the value is its port.

    All clients share ``SERVER_CONNECTIONS`` connections of the server's.
    """
    facts = connection.settings_dict
    names = ("host", "port", "user", "password")
    [port] = free_ports(1)
    folder = temporary_directory()  # pytest's own is closed to other accounts
    settings = folder / "pgbouncer.ini"
    words = " ".join(f"{name}='{facts[name.upper()]}'" for name in names if facts[name.upper()])
    # The deployment's own file, with another server, port and account.
    text = (ROOT / "deploy" / "ha" / "pgbouncer.ini").read_text("utf-8")
    for name, value in {
        "spms": f"* = {words} pool_size={SERVER_CONNECTIONS}",
        "listen_port": f"listen_port = {port}",
        "auth_type": "auth_type = any",
        "auth_file": "",
    }.items():
        text, number = re.subn(rf"(?m)^{name} = .*$", value, text)
        assert number == 1, name
    settings.write_text(text)
    # The account of the embedded engines: their socket is for it alone, and PgBouncer refuses to run as root.
    account = account_for(folder / "of-nobody")
    command = [PGBOUNCER, "--quiet", str(settings)]
    server = Service(command, os.environ, folder / "log", cwd="/", **run_as(account))
    try:
        server.wait_until(lambda: _is_open(port))
        yield port
    finally:
        server.end()
        shutil.rmtree(folder)


def _is_open(port):
    with psycopg.connect(pooled_url(port), connect_timeout=2):
        return True


def pooled_url(port):
    facts = connection.settings_dict
    return f"postgresql://{quote(facts['USER'] or 'app')}@127.0.0.1:{port}/{facts['NAME']}"


@contextmanager
def through(port):
    """Let this process, and the threads it starts, reach the test database by way of the pooler."""
    facts = connections.databases["default"]
    direct = dict(facts)
    pooled = database(pooled_url(port), pool_size=1, pooler="transaction")
    pooled["OPTIONS"].pop("pool")  # tests have none: each thread is a client of its own
    connection.close()
    facts.update(pooled)
    try:
        yield
    finally:
        connection.close()
        facts.clear()
        facts.update(direct)


@pytest.fixture(scope="module")
def port(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), pgbouncer() as port:
        yield port


@pytest.fixture
def past_pooler(port):
    return direct(database_url())


@pytest.fixture
def pooled(port, past_pooler):
    """This process, and its threads, behind the pooler. Afterwards nothing of them is left on a connection."""
    with through(port):
        yield port
        assert left_behind(port) == set()


def left_behind(port):
    """What the last client left on the connections of the server's."""
    names = set()
    with ExitStack() as stack:
        for _ in range(SERVER_CONNECTIONS):  # each holds one in its transaction, so the next gets another
            client = stack.enter_context(psycopg.connect(pooled_url(port), prepare_threshold=None))
            names |= {what for (what,) in client.execute(LEFT_BEHIND)}
    return {what for what in names if what.removeprefix("setting ") not in KEPT_BY_PGBOUNCER}


def test_what_a_session_keeps_would_be_found(port):
    with psycopg.connect(pooled_url(port), autocommit=True, prepare_threshold=None) as client:
        client.execute("SELECT pg_advisory_lock(7)")
        client.execute("SET statement_timeout = '1h'")
        client.execute("CREATE TEMPORARY TABLE mine (x int)")

    assert left_behind(port) == {"lock 7", "setting statement_timeout", "temporary tables"}

    # Other clients have them now, and cannot give them back but by chance.
    with psycopg.connect(database_url(), autocommit=True) as direct:
        direct.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7")


def test_60_sweeps_at_once_ask_about_each_payment_once(pooled, wechat, person):
    """A lock of a session refused 39 of 60 sweeps, and stayed on an idle connection."""
    li, product, other = person("li"), make_product(stock=100), make_product(stock=100)
    orders = [make_order(li.user, product) for _ in range(8)] + [make_order(li.user, other) for _ in range(16)]
    for order in orders:
        assert li.post("/pay/payment", {"order_id": order.order_id}).json()["msg"] == "OK"
    to_expire, to_reconcile, to_refund = orders[:8], orders[8:16], orders[16:]
    for order in to_refund:
        wechat.pay(order.order_id)
        payment_query(out_trade_no=order.order_id, now=timezone.now())
        refund_request(out_trade_no=order.order_id, amount_fen=990, reason="", requested_by="li", now=timezone.now())
    for order in to_reconcile:
        wechat.pay(order.order_id)
    past = timezone.now() - timedelta(seconds=1)
    numbers = {
        name: [order.order_id for order in rows]
        for name, rows in {"expire": to_expire, "reconcile": to_reconcile}.items()
    }
    Order.objects.filter(order_id__in=numbers["expire"]).update(expires_at=past, sweep_at=past)
    Payment.objects.filter(out_trade_no__in=numbers["expire"]).update(next_check_at=None)
    Payment.objects.filter(out_trade_no__in=numbers["reconcile"]).update(next_check_at=past)
    calls = {name: wechat.called(name) for name in ("query", "refund")}

    kinds = [payments_reconcile, refunds_run_due, lambda now: orders_sweep(now=now)]
    done = at_once([lambda work=work: work(now=timezone.now()) for work in kinds * 20])

    assert (sum(done[0::3]), sum(done[1::3])) == (8, 8)
    assert set(Order.objects.filter(order_id__in=numbers["reconcile"]).values_list("state", flat=True)) == {"paid"}
    assert set(Refund.objects.values_list("state", flat=True)) == {"processing"}
    assert wechat.called("refund") - calls["refund"] == 8
    orders_sweep(now=timezone.now() + timedelta(minutes=1))
    assert set(Order.objects.filter(order_id__in=numbers["expire"]).values_list("state", flat=True)) == {"closed"}
    assert stock_of(product) == 100


def test_an_import_and_an_export_pass_the_pooler(pooled, root, sent_tasks):
    rows = [["", "H1", f"学员{n}", "21", "重庆", "本科", "地址", "你好"] for n in range(1200)]
    now = timezone.now()
    run = run_start(
        kind="import", user_pk=root.user.pk, now=now, file_name="a.csv", source=sheet_write("csv", HEAD, rows)
    )

    transfer_work(run.pk)
    run.refresh_from_db()
    run_confirm(run=run, user_pk=root.user.pk, now=now)
    transfer_work(run.pk)
    out = export_start(model="students.student", query="", file_name="b.csv", user_pk=root.user.pk, now=now)
    make_export(out.pk)

    run.refresh_from_db()
    assert (run.state, Student.objects.count()) == (RunState.DONE, 1200)
    out.refresh_from_db()
    assert [bytes(content).count(b"\n") for content in (import_result(run)[1], out.content)] == [1201, 1201]
    browser = Client()
    browser.force_login(root.user)
    answer = browser.get("/admin/students/student/export/", {"format": "csv", "q": "学员11"})
    assert answer.content.count("学员11".encode()) == 111


def test_backup_and_restore_pass_it_and_still_see_who_uses_the_database(
    pooled, past_pooler, tmp_path, settings, monkeypatch
):
    monkeypatch.setattr("operations.backup.USED_WITHIN_S", 1.0)
    settings.DB_POOLER, settings.MEDIA_ROOT = "transaction", str(tmp_path / "media")
    settings.STATE_DIR = tmp_path / "state"
    settings.DATABASE_DIRECT = {}
    file = str(tmp_path / "one.tar")
    with pytest.raises(CommandError, match="设 DATABASE_DIRECT_URL，越过连接池"):
        call_command("backup", file)
    settings.DATABASE_DIRECT = past_pooler
    call_command("backup", file)
    over = threading.Event()

    def sweep():
        try:
            while not over.wait(0.1):
                Student.objects.first()
        finally:
            connection.close()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        with pytest.raises(CommandError, match="系统还在运行"):
            call_command("restore", file, "--yes")
    finally:
        over.set()
        sweeper.join()

    call_command("restore", file, "--yes")  # the pooler's connections are there, and unused


def test_doctor_finds_a_pooler_and_limits_that_are_not_configured(port, pooled, settings):
    untold = list(doctor.pooler())
    settings.DB_POOLER = "transaction"
    findings = {finding.what: finding.ok for finding in doctor.pooler()}

    assert [(finding.ok, finding.what) for finding in untold] == [(False, "PostgreSQL 前面有连接池（pooler）")]
    assert findings["没有设 DATABASE_DIRECT_URL"] is None
    assert findings["数据库角色的 statement_timeout 是 0"] is False


def test_doctor_is_content_without_a_pooler(db):
    assert list(doctor.pooler()) == []


def test_the_api_and_a_payment_by_several_processes(port, wechat, merchant_values, root, person):
    """As deployed: each process has a pool of its own, and together more connections than the server gives out."""
    students(*(f"学员{n}" for n in range(60)))
    product = make_product(stock=30)
    buyers = [person(f"buyer{n}") for n in range(6)]
    environ = {"DATABASE_URL": pooled_url(port), "DB_POOLER": "transaction", "DB_PREPARE": "1", **merchant_values}

    def buy(web, buyer):
        answers = [ask(web, "POST", "/pay/pre_order", {"product_id": product.product_id}, buyer.token)]
        order_id = answers[0][1]["order_id"]
        answers.append(ask(web, "POST", "/pay/payment", {"order_id": order_id}, buyer.token))
        wechat.pay(order_id)
        notice = wechat.notice_v2(order_id)
        answers.append(ask(web, "POST", "/pay/payResult", notice, **{"content-type": "text/xml"}))
        answers.append(ask(web, "GET", "/order/query_order_status", {"order_id": order_id}, buyer.token))
        return answers

    def look(web, number):
        query = {"page": number % 5 + 1, "count": 7}
        return [ask(web, "GET", "/students/getstulist", query, root.token) for _ in range(8)]

    with web_processes(free_ports(2), **environ) as webs:
        answers = at_once(
            [lambda web=webs[n % 2], buyer=buyer: buy(web, buyer) for n, buyer in enumerate(buyers)]
            + [lambda web=webs[n % 2], n=n: look(web, n) for n in range(10)]
        )
        bought, others = answers[: len(buyers)], answers[len(buyers) :]

    assert {replies[-1][1]["msg"] for replies in bought} == {"支付成功"}
    assert {(status, body["total"], len(body["data"])) for pages in others for status, body in pages} == {(200, 60, 7)}
    assert stock_of(product) == 24
    # Of prepared statements PgBouncer knows, and prepares them where they are missing.
    assert {what.split()[0] for what in left_behind(port)} <= {"statement"}
