"""Notifications as the merchant's server hears them, read by the real clients."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.pay.utils import calculate_signature_hmac

from sandbox.faults import faults_set
from sandbox.models import Api, Delivery, DeliveryState, Trade
from sandbox.pay import xml
from sandbox.pay.deliveries import RETRY_AFTER_S, deliveries_due, delivery_requeue, delivery_send
from sandbox.pay.refunds import refunds_settle
from sandbox.tasks import sweep

NUMBER = "20261124120000000abcdefghijk"
AMOUNT = {"refund": 1234, "total": 1234, "currency": "CNY"}

pytestmark = pytest.mark.django_db


def send_all(*, ahead_s: float = 0) -> list[DeliveryState | None]:
    now = timezone.now() + timedelta(seconds=ahead_s)
    return [delivery_send(delivery_id=pk, now=now) for pk in deliveries_due(now=now)]


@pytest.fixture
def paid_v2(order_v2: Any, control: Any) -> Callable[..., Delivery]:
    """Place a v2 order and pay it; answers its notification, not yet sent."""

    def pay(out_trade_no: str = NUMBER, **changes: Any) -> Delivery:
        order_v2(out_trade_no, **changes)
        assert control("pay", out_trade_no=out_trade_no)["trade_state"] == "SUCCESS"
        return Delivery.objects.filter(trade__out_trade_no=out_trade_no).earliest("pk")

    return pay


@pytest.fixture
def returned(v3: Any, paid_v2: Any, shop: Any) -> Callable[..., Delivery]:
    """Have an order paid, told and given back; answers the notification of that, not yet sent."""

    def give_back(client: Any = v3) -> Delivery:
        paid_v2()
        send_all()
        client.refund("R1", AMOUNT, out_trade_no=NUMBER, notify_url=shop.v3_url)
        refunds_settle(now=timezone.now() + timedelta(seconds=10))
        shop.heard.clear()
        return Delivery.objects.get(api=Api.V3)

    return give_back


def test_a_v2_payment_is_told_in_signed_xml(v2: Any, paid_v2: Any, shop: Any, keys: Any) -> None:
    paid_v2()

    assert send_all() == [DeliveryState.DELIVERED]

    ((path, headers, body),) = shop.heard
    assert (path, headers["Content-Type"].split(";")[0]) == ("/pay/payResult", "text/xml")
    told = v2.parse_payment_result(body)
    trade = Trade.objects.get()
    assert (told["return_code"], told["result_code"]) == ("SUCCESS", "SUCCESS")
    assert (told["appid"], told["mch_id"]) == (keys["WECHAT_APP_ID"], keys["WECHAT_PAY_MCH_ID"])
    assert (told["out_trade_no"], told["total_fee"], told["fee_type"]) == (NUMBER, 1234, "CNY")
    assert (told["transaction_id"], told["attach"]) == (trade.transaction_id, "a<b&c")


def test_an_hmac_order_is_told_with_hmac(v2: Any, paid_v2: Any, shop: Any, keys: Any) -> None:
    paid_v2(sign_type="HMAC-SHA256")

    send_all()

    told = xml.parse(shop.heard[0][2])
    sign = told.pop("sign")
    assert (told["sign_type"], len(sign)) == ("HMAC-SHA256", 64)
    assert sign == calculate_signature_hmac(told, keys["WECHAT_PAY_API_KEY"])


def test_a_refund_is_told_in_sealed_json(v3: Any, returned: Any, shop: Any, keys: Any) -> None:
    returned()
    shop.answers = [(204, b"")]

    assert send_all(ahead_s=10) == [DeliveryState.DELIVERED]

    ((path, headers, body),) = shop.heard
    assert (path, headers["Wechatpay-Serial"]) == ("/pay/notify", keys["WECHAT_PAY_PUBLIC_KEY_ID"])
    told = v3.callback(headers, body)
    assert (told["event_type"], told["resource_type"]) == ("REFUND.SUCCESS", "encrypt-resource")
    refund = told["resource"]
    assert (refund["out_refund_no"], refund["out_trade_no"], refund["refund_status"]) == ("R1", NUMBER, "SUCCESS")
    assert refund["amount"] == {"total": 1234, "refund": 1234, "payer_total": 1234, "payer_refund": 1234}


def test_certificate_mode_is_told_with_the_certificate(v3_client: Any, returned: Any, shop: Any, keys: Any) -> None:
    client = v3_client(cert_dir=keys["WECHAT_PAY_CERT_DIR"])
    returned(client)

    send_all(ahead_s=10)

    _, headers, body = shop.heard[0]
    assert not headers["Wechatpay-Serial"].startswith("PUB_KEY_ID_")
    assert client.callback(headers, body)["resource"]["out_trade_no"] == NUMBER


def test_an_abnormal_refund_says_so(v3: Any, paid_v2: Any, control: Any, shop: Any) -> None:
    paid_v2()
    send_all()
    control("faults", refund_abnormal=True)
    v3.refund("R2", AMOUNT, out_trade_no=NUMBER, notify_url=shop.v3_url)

    control("deliver", ahead_s=10)

    assert v3.callback(*shop.heard[1][1:])["event_type"] == "REFUND.ABNORMAL"
    assert json.loads(v3.query_refund("R2")[1])["status"] == "ABNORMAL"


def test_only_an_exact_acknowledgement_counts_for_v2(paid_v2: Any, shop: Any) -> None:
    delivery = paid_v2()
    good = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
    bad = [(200, b"success"), (200, b"<html>" + good), (500, good), (200, good.replace(b"SUCCESS", b"FAIL"))]
    shop.answers = [*bad]

    for _ in bad:
        delivery_requeue(delivery_id=delivery.pk, now=timezone.now())
        assert send_all() == [DeliveryState.DUE]
    assert send_all() == []  # not due yet
    assert send_all(ahead_s=60) == [DeliveryState.DELIVERED]
    assert len({body for *_, body in shop.heard}) == 1  # the same notification each time


def test_the_status_decides_for_v3(v3: Any, returned: Any, shop: Any) -> None:
    returned()
    shop.answers = [(500, b'{"code":"SUCCESS"}'), (200, b'{"code":"FAIL"}')]

    assert send_all(ahead_s=10) == [DeliveryState.DUE]
    assert send_all(ahead_s=15) == [DeliveryState.DELIVERED]
    assert all(v3.callback(headers, body) for _, headers, body in shop.heard)  # each try is signed anew
    assert shop.heard[0][1]["Wechatpay-Nonce"] != shop.heard[1][1]["Wechatpay-Nonce"]


def test_gives_up_after_the_last_try(paid_v2: Any) -> None:
    delivery = paid_v2()
    Delivery.objects.update(attempts=len(RETRY_AFTER_S), url="http://127.0.0.1:9/pay/payResult")

    assert send_all() == [DeliveryState.GIVEN_UP]
    delivery.refresh_from_db()
    assert (delivery.last_status, delivery.last_answer) == (None, "ConnectionRefusedError")


def test_a_killed_sender_is_replaced_when_its_lease_is_over(paid_v2: Any, shop: Any) -> None:
    delivery = paid_v2()
    # What a sender leaves that was killed after its claim.
    now = timezone.now()
    Delivery.objects.update(attempts=1, next_try_at=now + timedelta(seconds=20))

    assert delivery_send(delivery_id=delivery.pk, now=now + timedelta(seconds=19)) is None
    assert delivery_send(delivery_id=delivery.pk, now=now + timedelta(seconds=21)) == DeliveryState.DELIVERED


def test_paying_starts_the_task_after_commit(
    order_v2: Any, sent_tasks: Any, django_capture_on_commit_callbacks: Any
) -> None:
    from sandbox.pay.pages import code_find
    from sandbox.pay.trades import trade_pay

    order_v2()
    with django_capture_on_commit_callbacks(execute=True):
        code = code_find(out_trade_no=NUMBER)
        assert code is not None
        trade_pay(code=code, now=timezone.now())
        assert sent_tasks == []

    assert sent_tasks == [("sandbox.deliver", (Delivery.objects.get().pk,))]


def test_the_sweep_starts_what_is_due(paid_v2: Any, v3: Any, sent_tasks: Any, shop: Any) -> None:
    delivery = paid_v2()
    v3.refund("R1", AMOUNT, out_trade_no=NUMBER, notify_url=shop.v3_url)
    Trade.objects.get().refunds.update(settles_at=timezone.now())
    sent_tasks.clear()

    sweep()

    refund_delivery = Delivery.objects.get(refund__isnull=False)
    assert sent_tasks == [("sandbox.deliver", (pk,)) for pk in (delivery.pk, refund_delivery.pk)]


class TestFaults:
    def test_notify_twice_sends_the_same_notice_twice(self, paid_v2: Any, shop: Any) -> None:
        faults_set(changes={"notify_twice": True})
        paid_v2()

        assert send_all() == [DeliveryState.DELIVERED] * 2
        assert shop.heard[0][2] == shop.heard[1][2]

    def test_notify_late_waits(self, paid_v2: Any) -> None:
        faults_set(changes={"notify_late": 30})
        paid_v2()

        assert send_all(ahead_s=28) == []
        assert send_all(ahead_s=31) == [DeliveryState.DELIVERED]

    def test_notify_never_sends_nothing(self, v2: Any, paid_v2: Any, shop: Any) -> None:
        faults_set(changes={"notify_never": True})
        delivery = paid_v2()

        assert send_all(ahead_s=86400) == []
        assert (delivery.state, shop.heard) == (DeliveryState.SUPPRESSED, [])
        assert v2.order.query(out_trade_no=NUMBER)["trade_state"] == "SUCCESS"

    def test_notify_out_of_order_sends_the_second_first(self, paid_v2: Any, shop: Any) -> None:
        faults_set(changes={"notify_out_of_order": True})
        paid_v2("20261124first")
        assert send_all(ahead_s=10) == []
        paid_v2("20261124second")

        send_all()
        send_all(ahead_s=2)

        assert [xml.parse(body)["out_trade_no"] for *_, body in shop.heard] == ["20261124second", "20261124first"]

    def test_out_of_order_with_nothing_to_follow(self, paid_v2: Any) -> None:
        faults_set(changes={"notify_out_of_order": 15})
        paid_v2()

        assert send_all(ahead_s=16) == [DeliveryState.DELIVERED]

    def test_wrong_amount_is_signed_and_wrong(self, v2: Any, v3: Any, returned: Any, paid_v2: Any, shop: Any) -> None:
        faults_set(changes={"wrong_amount": True})
        returned()
        paid_v2("20261124second")
        send_all(ahead_s=10)

        by_path = {path: (headers, body) for path, headers, body in shop.heard}
        assert v2.parse_payment_result(by_path["/pay/payResult"][1])["total_fee"] == 1
        assert v3.callback(*by_path["/pay/notify"])["resource"]["amount"]["refund"] == 1
        assert v2.order.query(out_trade_no=NUMBER)["total_fee"] == "1234"

    def test_wrong_signature_is_refused(self, v2: Any, v3: Any, returned: Any, paid_v2: Any, shop: Any) -> None:
        faults_set(changes={"wrong_signature": True})
        returned()
        paid_v2("20261124second")
        send_all(ahead_s=10)

        by_path = {path: (headers, body) for path, headers, body in shop.heard}
        with pytest.raises(InvalidSignatureException):
            v2.parse_payment_result(by_path["/pay/payResult"][1])
        assert v3.callback(*by_path["/pay/notify"]) is None
