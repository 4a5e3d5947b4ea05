"""One search for an order's number in the logs tells its story, and shows no person's name."""

import json

import pytest
from celery.signals import before_task_publish, task_prerun
from django.db import transaction
from django.utils import timezone

from core.observe import logs, tracing
from payments.models import PaymentLog, Refund
from payments.tasks import run_refund
from shop.order_states import Event
from shop.services.order_move import order_lock, order_move
from shop.tests.factories import make_order, make_product, phone_pays

pytestmark = pytest.mark.django_db(transaction=True)

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


def test_from_the_order_to_its_refund(li, wechat, lines):
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
