"""After a restore money at the provider is found, stock waits for its answer, and no disabled user comes back."""

import itertools
import json
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from accounts.services.users import users_disable
from core.models import Restoration
from core.times import local
from operations import after_restore, checks
from operations import backup as ops
from payments.models import BillRun, Difference, Payment, Refund
from payments.services.bills import bill_made_at, bills_reconcile_missing
from payments.services.query_close import payments_query_due
from payments.services.refund import refund_run
from shop.models import Order, Product
from shop.services.order_close import orders_sweep
from shop.services.order_refund import order_return
from shop.tests.factories import make_order, make_paid, make_product, phone_pays, start_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backup(tmp_path, settings):
    """Write a backup, and put it back: ``back = backup()`` ... ``said = back()``."""
    settings.STATE_DIR, settings.MEDIA_ROOT = tmp_path / "state", str(tmp_path / "media")
    numbers = itertools.count()

    def write():
        file = tmp_path / f"backup-{next(numbers)}.tar"
        call_command("backup", str(file), stdout=StringIO())
        return lambda: put_back(file)

    return write


def put_back(file):
    out = StringIO()
    call_command("restore", str(file), "--yes", stdout=out)
    return out.getvalue()


def pay(order, wechat):
    start_payment(order)
    phone_pays(wechat, order.order_id)


def states(*orders):
    return [Order.objects.get(order_id=order.order_id).state for order in orders]


def later(**span):
    return timezone.now() + timedelta(**span)


def next_morning():
    return bill_made_at(local(timezone.now()).date()) + timedelta(minutes=15)


def test_money_that_came_after_the_backup_is_found(li, wechat, backup):
    product = make_product("自行车", stock=10)
    not_started, started, unpaid = (make_order(li.user, product) for _ in range(3))
    start_payment(started)
    given_back = make_paid(wechat, li.user, product)
    back = backup()

    # The world goes on: an open order is started and paid, a started one is paid, a new one is placed and paid, and an
    # earlier one is refunded.
    pay(not_started, wechat)
    wechat.pay(started.order_id)
    placed = make_paid(wechat, li.user, product)
    order_return(order_id=given_back.order_id, buyer_pk=li.user.pk, actor="li", now=timezone.now())
    assert refund_run(refund_id=Refund.objects.get().pk, now=timezone.now()).state == "success"

    output = back()

    assert "3 个未付款的订单留着库存" in output and "这里已经没有订单的款项，由" in output
    assert not Order.objects.filter(order_id=placed.order_id).exists()
    assert states(not_started, given_back) == ["open", "paid"]
    calls = wechat.called("query")

    # Before stock moves, the provider is asked.
    orders_sweep(now=later(minutes=10))

    assert states(not_started, started, unpaid) == ["paid", "paid", "closed"]
    assert wechat.called("query") - calls >= 3
    assert Product.objects.get().stock == 10 - 3

    # The next morning the bill finds the rest, and staff need not decide: the money has no order.
    bills_reconcile_missing(now=next_morning())

    refund = Refund.objects.get(payment__out_trade_no=placed.order_id)
    assert refund_run(refund_id=refund.pk, now=next_morning()).state == "success"
    assert wechat.refunds[refund.out_refund_no]["amount"]["refund"] == placed.total_fen
    assert states(given_back) == ["refunded"] and Product.objects.get().stock == 10 - 2
    assert not Difference.objects.filter(ending="").exists()
    assert not wechat.faults and wechat.called("refund") == 2  # one for each, no more


def test_a_database_that_was_not_restored_to_the_point_is_left_alone(li, tmp_path, settings):
    """pgBackRest has failed, and the engineer has not seen it: an order is newer than the point."""
    settings.STATE_DIR = tmp_path
    point = timezone.now()
    order = make_order(li.user, make_product())

    with pytest.raises(CommandError, match=r"没有恢复到.*_.* 里有一行是"):
        call_command("restore", "--point", point.isoformat(), "--yes")

    assert li.get("/verify").json()["state"] is True and states(order) == ["open"]
    assert after_restore.unfinished() == "" and not Restoration.objects.exists()
    with connection.cursor() as cursor:  # an earlier release had not all tables
        cursor.execute("ALTER TABLE uploads_upload RENAME TO absent")
        try:
            assert after_restore.row_after(timezone.now()) == ""
        finally:
            cursor.execute("ALTER TABLE absent RENAME TO uploads_upload")


def test_after_a_point_in_time_the_numbers_that_this_machine_has_kept_bring_the_money_back(
    li, wechat, tmp_path, settings
):
    settings.STATE_DIR, settings.PAYMENT_NUMBERS = tmp_path, tmp_path / "numbers"
    with pytest.raises(CommandError, match="没有恢复过"):
        call_command("payments_recall")
    settings.PAYMENT_NUMBERS.write_text(
        # Three lines are torn, and the last one has the next one in it.
        "2020-01-01T10:00:00+08:00 early\n2020-01-0\n2026-01-01T10\n"
        "2026-01-01T10:00:00+08:00 12026-01-01T10:01:00+08:00 2\n",
        "ascii",
    )
    placed, unpaid = make_paid(wechat, li.user), make_order(li.user)
    with connection.cursor() as cursor:  # as if the point lay before both
        cursor.execute("TRUNCATE shop_order, payments_payment CASCADE")
    out = StringIO()
    call_command("restore", "--point", timezone.now().isoformat(), "--yes", stdout=out)
    assert "再启动 web" in out.getvalue() and after_restore.unfinished() == ""

    for _ in range(2):
        call_command("payments_recall", stdout=out)
    with pytest.MonkeyPatch.context() as patch:  # the logs of a release that kept no numbers
        patch.setattr("sys.stdin", StringIO(f"{unpaid.order_id}\n"))
        call_command("payments_recall", "-", stdout=out)
    settings.PAYMENT_NUMBERS.unlink()
    call_command("payments_recall", stdout=out)

    refund = Refund.objects.get(payment__out_trade_no=placed.order_id)
    assert refund.amount_fen == placed.total_fen and f"{unpaid.order_id}: 没有付过款" in out.getvalue()
    assert "early" not in out.getvalue() and "没有发起过支付" in out.getvalue()


# Where the schema of two apps stood in 1.1.0.
OLD_SCHEMA = [("core", "0006"), ("payments", "0013")]


@contextmanager
def old_schema(newer):
    """Take the schema back for as long as a block lasts: the rows stay, those of newer tables too."""
    ops.write(newer, now=timezone.now())
    executor = MigrationExecutor(connection)
    migrations = executor.loader.get_migration_by_prefix
    try:
        executor.migrate([(app, migrations(app, name).name) for app, name in OLD_SCHEMA])
        yield
    finally:
        ops.restore(newer)  # a third of the time that the migrations take


def test_a_backup_of_an_older_release_is_brought_up_to_date(li, wechat, backup, tmp_path):
    product = make_product(stock=3)
    order, unpaid = make_order(li.user, product), make_order(li.user, product)
    with old_schema(tmp_path / "newer.tar"):
        back = backup()
    # The newer release goes on, and fills what the older one did not have.
    pay(order, wechat)
    bills_reconcile_missing(now=next_morning())
    assert BillRun.objects.exists()

    assert "2 个未付款的订单留着库存" in back()

    assert states(order) == ["open"] and not BillRun.objects.exists()
    orders_sweep(now=later(minutes=10))
    assert (states(order, unpaid), Product.objects.get().stock) == (["paid", "closed"], 2)
    assert li.get("/verify").json()["msg"] == "校验失败"


def test_tokens_sessions_and_disabled_users_stay_dead(api, person, wechat, backup, login):
    """Neither a token, nor a session of the back office, nor a user who was shut out since."""
    li, wang, zhao = person("li"), person("wang"), person("zhao", "1", is_staff=True)
    office = Client()
    office.force_login(zhao.user)

    def is_valid(token):
        return api.get("/verify", headers={"authorization": token}).json()["state"]

    def set_password(user, password):
        user.refresh_from_db()
        user.set_password(password)
        user.save()

    back = backup()
    assert zhao.get("/users/sigout").json()["state"] is True
    set_password(wang.user, "another-password")
    later_token = login(wang.user)  # of an epoch that the backup has not reached
    users_disable(user_pks=[li.user.pk])

    assert "备份之后停用的，再次停用：li。" in back()

    assert not any(is_valid(token) for token in (li.token, wang.token, zhao.token, later_token))
    assert office.get("/admin/").status_code == 302
    for username, ok in (("li", False), ("zhao", True)):
        answer = api.post("/users/login", {"username": username, "password": "a-password"}).json()
        assert answer["state"] is ok, answer
    # Nor do they by what moves an epoch on by one, after the restore; and a second restore ends what came since.
    zhao.user.refresh_from_db()
    between = login(zhao.user)
    assert is_valid(between)
    back()
    set_password(wang.user, "a-third-password")
    assert not is_valid(between) and not is_valid(later_token)


def test_an_interrupted_restore_is_ended_by_the_next_and_stops_every_start(li, backup, settings, monkeypatch, tmp_path):
    back = backup()
    (tmp_path / "bad.tar").write_bytes(b"nonsense")
    with pytest.raises(CommandError):
        put_back(tmp_path / "bad.tar")
    assert after_restore.unfinished() == ""  # nothing was begun
    users_disable(user_pks=[li.user.pk])

    def power_cut(*arguments, **facts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(after_restore, "finish", power_cut)
        back()
    marker = settings.STATE_DIR / "restoring.json"
    assert marker.stat().st_mode & 0o077 == 0
    (error,) = checks.restore_is_finished()
    assert json.loads(marker.read_text())["source"] in error.hint
    with pytest.raises(checks.ImproperlyConfigured, match="恢复没有做完"):
        checks.refuse_unsafe_start()

    # What it replaces now is the backup itself: it remembers from the first time.
    assert "备份之后停用的，再次停用：li。" in back()

    assert checks.restore_is_finished() == [] and not marker.exists()


def test_payments_that_were_watched_are_asked_about_at_once_and_each_day_since_the_backup_is_compared(
    li, wechat, backup, monkeypatch
):
    monkeypatch.setattr("payments.services.bills.LOOK_BACK", timedelta(days=1))  # of thirty
    order = make_order(li.user)
    start_payment(order)
    back = backup()
    wechat.pay(order.order_id)

    assert "1 笔支付和 0 笔退款" in back()

    assert payments_query_due(now=timezone.now()) == 1
    assert Payment.objects.get().is_paid
    Restoration.objects.update(written_at=timezone.now() - timedelta(days=3))
    bills_reconcile_missing(now=next_morning())
    assert BillRun.objects.filter(state="done").count() == 4  # more than usual
