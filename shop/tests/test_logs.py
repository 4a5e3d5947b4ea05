"""The log of an order keeps codes, whose labels may be reworded, and knows users by keys when names change. One
search for its number in the server's log tells its story, and shows no person's name."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from celery.signals import before_task_publish, task_prerun
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.usernames import is_system
from core.observe import logs, tracing
from payments.models import Payment, PaymentLog, Refund
from payments.tasks import run_refund
from shop.admin.order_display import OrderCells, last_step, order_page
from shop.admin.order_list import orders_loaded
from shop.models import Order, OrderLog
from shop.order_states import Event, Note, State
from shop.services.order_close import orders_sweep
from shop.services.order_edit import order_correct, order_remark
from shop.services.order_move import order_lock, order_move
from shop.services.order_step import can_be_undone
from shop.tests.factories import ORDERS, click, make_order, make_paid, make_product, page_of, phone_pays, ship

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(params=["reworded", "last release"])
def rewritten(request):
    """Write the log as it is after other labels were chosen since, or as the last release writes it."""

    def rewrite():
        facts = {"event": "以前的说法"} if request.param == "reworded" else {"code": ""}
        OrderLog.objects.update(**facts)

    return rewrite


def test_codes_and_labels_are_each_once():
    assert len({*Event.values, *Note.values}) == len({*Event.labels, *Note.labels}) == len(Event) + len(Note)


def test_what_was_shipped_can_be_undone_and_is_exported(paid, office, rewritten):
    now = timezone.now()  # of this test: a shipment can be undone for ten minutes
    order = ship(paid(phone="13800000001"), now=now, express_no="SF1")
    order_remark(order_id=order.order_id, text="易碎", actor="root", now=now)
    rewritten()

    assert can_be_undone(order, Event.UNSHIP, now) and not can_be_undone(order, Event.UNRECEIVE, now)
    assert [one.shipped_at for one in orders_loaded(Order.objects.all())] == [now]
    page = office.get(page_of(order)).content.decode()
    assert "以前的说法" not in page and "发货" in page and "内部备注" in page
    assert "发货" in click(office, order, "unship")[-1] and Order.objects.get().state == State.PAID


@pytest.mark.parametrize("code", ["shipment_told", ""])
def test_a_text_message_of_the_last_release_is_no_step(paid, code):
    order = ship(paid(), now=NOW)
    OrderLog.objects.create(order=order, at=NOW, actor="系统", code=code, event="短信通知发货", to_state=order.state)

    assert "发货" in last_step(order) and "短信" not in last_step(order)
    assert can_be_undone(order, Event.UNSHIP, NOW)


def test_a_return_stands_in_the_work_list_and_above_the_page(returned, office, rewritten):
    order = returned("屏幕碎了")
    rewritten()

    (row,) = office.get(ORDERS, {"work": "returns"}).context["cl"].result_list
    asked = order_page(row, OrderCells([row]))["asked"]
    assert (row.pk, asked.at, asked.detail) == (order.pk, order.logs.latest("pk").at, "屏幕碎了")


def test_the_phone_that_was_changed_stays_masked(paid, clerk, rewritten):
    order = paid(phone="13812340140")
    order_correct(order_id=order.order_id, note=Note.RECEIVER, phone="", actor="root", now=NOW)
    rewritten()

    page = clerk("view").get(page_of(order)).content.decode()

    assert "138****0140" in page and "13812340140" not in page


def test_rows_of_the_last_release_get_their_codes_afterwards(paid, li):
    ship(paid())
    OrderLog.objects.create(order=make_order(li.user), at=NOW, actor="root", event="别的", to_state="open")
    before = list(OrderLog.objects.order_by("pk").values_list("code", flat=True))
    OrderLog.objects.update(code="")

    call_command("fill_new_columns")

    assert list(OrderLog.objects.order_by("pk").values_list("code", flat=True)) == before
    assert before == ["placed", "payment_started", "pay", "ship", "placed", ""]


def steps_of(office, order):
    """Who did each step, by the order's page, newest first."""
    log = office.get(page_of(order)).content.decode().partition('<ol class="op-log')[2].partition("</ol>")[0]
    return re.findall(r"<li.*?<small>([^<]*)</small>", log, re.DOTALL)


def test_a_step_names_who_it_is_now_and_was_then(office, person):
    li = person("li", nickname="李")
    order_id = li.post("/pay/pre_order", {"product_id": make_product().product_id}).json()["order_id"]
    li.get("/order/cancel", order_id=order_id)
    order = OrderLog.objects.last().order
    User.objects.filter(username="li").update(username="lili")
    person("li", nickname="另一个人")

    assert steps_of(office, order) == ["李（lili），当时叫 li"] * 2

    User.objects.filter(username="lili").delete()
    assert steps_of(office, order) == ["li（已删除的用户）"] * 2


def test_a_user_who_is_called_like_the_system_is_told_from_it(office, person, wechat):
    mallory = person("系统", nickname="系统")
    orders = [make_order(mallory.user) for _ in range(3)]
    mallory.get("/order/cancel", order_id=orders[0].order_id)
    mallory.post("/pay/payment", {"order_id": orders[1].order_id, "trade_type": "NATIVE"})
    wechat.is_down = True
    mallory.get("/order/cancel", order_id=orders[1].order_id)  # the sweep ends it
    wechat.is_down = False
    orders_sweep(now=timezone.now() + timedelta(hours=1))

    mallory.post("/users/updateUser", {"unid": mallory.user.unid, "city": "南京"})

    entries = office.get("/admin/auditlog/logentry/").context["cl"].result_list
    assert [entry.actor.label for entry in entries if entry.actor_id == mallory.user.pk] == ["用户（系统）"]
    assert "用户（系统）" in office.get("/admin/auditlog/logentry/").content.decode()
    assert [steps_of(office, order)[0] for order in orders] == ["用户（系统）", "用户（系统）", "系统"]


def test_a_row_of_the_last_release_is_known_by_its_name(office, person):
    li = person("li", nickname="李")
    order = make_order(li.user)
    OrderLog.objects.update(actor_key="")

    assert steps_of(office, order) == ["李（li）"]


def test_the_log_of_the_money_names_staff_by_key_too(office, root, wechat, person):
    order = make_paid(wechat, person("li").user)
    click(office, order, "refund", reason="破损")

    log = Payment.objects.get().logs.get(event="申请退款")
    assert (log.actor, log.actor_key) == ("root", root.user.unid)
    assert not Payment.objects.get().logs.exclude(pk=log.pk).exclude(actor_key="").exists()


def test_whoever_acts_without_being_a_user_is_no_name_for_one(settings):
    folders = [Path(settings.BASE_DIR) / app for app in ("payments", "shop", "moving")]
    texts = [file.read_text("utf-8") for folder in folders for file in folder.rglob("*.py")]
    names = re.compile(r'(?:\bsource=f?|^SYSTEM = |^WECHAT = |^RESTORE = |^EVENT = )"([^\x00-\x7f][^"]*)"', re.M)
    found = {name for text in texts for name in names.findall(text)}

    assert {"系统", "微信支付", "恢复备份", "对账"} <= found
    assert not {name for name in found | {Note.MOVED_IN.label} if not is_system(name)}


PHONE, OPENID, NAME, ADDRESS = "13812345678", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "欧阳修", "西湖区文三路九号"


@pytest.fixture
def lines(caplog):
    """Return a function that returns the lines logged until then, as they are written in production."""
    caplog.set_level("INFO")
    caplog.handler.setFormatter(logs.formatter("json"))
    return lambda: [json.loads(line) for line in caplog.text.splitlines()]


def work(task, *args, headers):
    """Run a task as a worker does that got these headers."""
    task.push_request(**headers)
    try:
        task_prerun.send(sender=task, task=task)
        task.run(*args)
    finally:
        task.pop_request()


def step_of(line):
    match line["event"]:
        case "request":
            return line["path"]
        case "upstream call":
            return f"{line['target']} {line['outcome']}"
    return f"{line['event']}: {line['step']}"


@pytest.mark.django_db(transaction=True)
def test_the_log_of_the_server_tells_of_an_order_until_its_refund(li, wechat, lines):
    product = make_product()
    wish = {"product_id": product.product_id, "phone": PHONE, "recipient": NAME, "address": ADDRESS}
    number = li.post("/pay/pre_order", wish).json()["order_id"]
    li.post("/pay/payment", {"order_id": number, "trade_type": "JSAPI", "openid": OPENID})
    phone_pays(wechat, number)
    tracing.begin("its-return")
    tracing.about(order=number)
    before_task_publish.send(sender=run_refund.name, headers=(headers := {}))
    li.post("/order/returns", {"order_id": number, "reason": f"打 {PHONE}"}, headers={"X-Request-Id": "its-return"})
    work(run_refund, Refund.objects.get().pk, headers=headers)

    story = [line for line in lines() if line.get("order") == number]
    assert [step_of(line) for line in story] == [
        "/pay/pre_order",
        "payment: 发起支付",
        "POST /pay/unifiedorder 200",
        "payment: 微信已下单",
        "/pay/payment",
        "payment: 支付成功",
        "order: 付款",
        "/pay/notify",
        "order: 退货",
        "payment: 申请退款",
        "/order/returns",
        "POST /v3/refund/domestic/refunds 200",
        "payment: 已退款",
        "order: 退款成功",
    ]
    assert [line["request_id"] for line in story[8:]] == ["its-return"] * 6
    assert {line.get("caller", li.user.unid) for line in story} == {li.user.unid}
    steps = PaymentLog.objects.order_by("pk").values_list("event", "request_id")
    assert [request for _, request in steps] == [story[at]["request_id"] for at in (1, 3, 5, 9, 12)]
    written = json.dumps(lines(), ensure_ascii=False)
    assert not [secret for secret in (PHONE, OPENID, NAME, ADDRESS, li.token) if secret in written]

    before, order = len(lines()), make_order(li.user)
    with pytest.raises(RuntimeError), transaction.atomic():  # what is rolled back is not told
        order_move(order=order_lock(order_id=order.order_id), event=Event.CANCEL, actor="li", now=timezone.now())
        raise RuntimeError
    assert len(lines()) == before
