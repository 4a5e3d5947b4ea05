"""Notifications as the merchant's server hears them, read by the real clients."""

from datetime import timedelta

import pytest
from django.utils import timezone
from wechatpy.exceptions import InvalidSignatureException

from sandbox.faults import faults_set
from sandbox.models import Delivery, DeliveryState, Trade
from sandbox.pay.notices import RETRY_AFTER_S, deliveries_send
from sandbox.pay.trades import trade_pay
from sandbox.tasks import sweep
from sandbox.tests.conftest import ACK_V2, NUMBER

pytestmark = pytest.mark.django_db
SENT = DeliveryState.DELIVERED


def send_all(*, ahead_s=0):
    now = timezone.now() + timedelta(seconds=ahead_s)
    return [Delivery.objects.get(pk=pk).state for pk in deliveries_send(Delivery.objects.all(), now=now)]


@pytest.fixture
def returned(paid, give_back, shop):
    """Have an order paid and refunded; the notification of the refund is not yet sent."""

    def refund(**changes):
        paid()
        send_all()
        assert give_back(**changes)[1]["amount"]["refund"] == 1234
        shop.heard.clear()

    return refund


def test_a_v2_payment_is_told_in_signed_xml(v2, paid, shop, keys):
    trade = paid()

    assert send_all() == [SENT]

    [(path, headers, body)] = shop.heard
    assert (path, headers["Content-Type"].split(";")[0]) == ("/pay/payResult", "text/xml")
    notice = v2.parse_payment_result(body)
    assert (notice["return_code"], notice["result_code"]) == ("SUCCESS", "SUCCESS")
    assert (notice["appid"], notice["mch_id"]) == (keys["WECHAT_APP_ID"], keys["WECHAT_PAY_MCH_ID"])
    assert (notice["out_trade_no"], notice["total_fee"], notice["fee_type"]) == (NUMBER, 1234, "CNY")
    assert (notice["transaction_id"], notice["attach"]) == (trade.transaction_id, "a<b&c")


def test_a_refund_is_told_in_sealed_json(v3, returned, shop, keys):
    returned()
    shop.answers = [(500, b'{"code":"SUCCESS"}'), (204, b'{"code":"FAIL"}')]  # the status decides

    assert send_all(ahead_s=10) == [DeliveryState.DUE]
    assert send_all(ahead_s=15) == [SENT]

    (path, headers, body), (_, again, _) = shop.heard
    assert headers["Wechatpay-Nonce"] != again["Wechatpay-Nonce"]  # each try is signed anew
    assert (path, headers["Wechatpay-Serial"]) == ("/pay/notify", keys["WECHAT_PAY_PUBLIC_KEY_ID"])
    event = v3.callback(headers, body)
    assert (event["event_type"], event["resource_type"]) == ("REFUND.SUCCESS", "encrypt-resource")
    refund = event["resource"]
    assert (refund["out_refund_no"], refund["out_trade_no"], refund["refund_status"]) == ("R1", NUMBER, "SUCCESS")
    assert refund["amount"] == {"total": 1234, "refund": 1234, "payer_total": 1234, "payer_refund": 1234}


def test_only_an_exact_acknowledgement_counts_for_v2(paid, shop):
    paid()
    bad = [(200, b"success"), (200, b"<html>" + ACK_V2), (500, ACK_V2), (200, ACK_V2.replace(b"SUCCESS", b"FAIL"))]
    shop.answers = [*bad]

    for _ in bad:
        Delivery.objects.update(next_try_at=timezone.now())
        assert send_all() == [DeliveryState.DUE]
    assert send_all() == []  # not due yet
    assert send_all(ahead_s=60) == [SENT]
    assert len({body for *_, body in shop.heard}) == 1  # the same notification each time


def test_a_killed_sender_is_replaced_when_its_lease_is_over_and_the_last_try_gives_up(paid, shop):
    delivery = paid().deliveries.get()
    # What a sender leaves that was killed after its claim.
    now = timezone.now()
    Delivery.objects.update(attempts=1, next_try_at=now + timedelta(seconds=20))

    assert send_all(ahead_s=19) == []
    assert send_all(ahead_s=21) == [SENT]

    last = {"attempts": len(RETRY_AFTER_S), "state": DeliveryState.DUE, "next_try_at": now}
    Delivery.objects.update(**last, url="http://127.0.0.1:9/pay/payResult")
    assert send_all() == [DeliveryState.GIVEN_UP]
    delivery.refresh_from_db()
    assert (delivery.last_status, delivery.last_answer) == (None, "ConnectionRefusedError")


def test_the_task_starts_after_commit_and_sends_what_is_due(
    order_v2, give_back, shop, sent_tasks, django_capture_on_commit_callbacks
):
    order_v2()
    with django_capture_on_commit_callbacks(execute=True):
        trade_pay(Trade.objects.get(), now=timezone.now())
        assert sent_tasks == []
    assert sent_tasks == [("sandbox.sweep", ())]
    give_back()
    Delivery.objects.update(next_try_at=timezone.now())

    sweep()

    assert [path for path, _, _ in shop.heard] == ["/pay/payResult", "/pay/notify"]


class TestFaults:
    def test_notify_twice_late_or_never(self, v2, paid, shop):
        faults_set(changes={"notify_twice": True, "notify_late": 30})
        paid()
        assert send_all(ahead_s=28) == []
        assert send_all(ahead_s=31) == [SENT, SENT]
        assert shop.heard[0][2] == shop.heard[1][2]

        faults_set(changes={"notify_never": True}, reset=True)
        delivery = paid("20261124never").deliveries.get()
        assert send_all(ahead_s=86400) == []
        assert (delivery.state, len(shop.heard)) == (DeliveryState.SUPPRESSED, 2)
        assert v2.order.query(out_trade_no="20261124never")["trade_state"] == "SUCCESS"

    @pytest.fixture
    def notices(self, returned, paid, shop):
        """Send the notifications of a payment and of a refund with a fault; answers them by path."""

        def send(fault):
            faults_set(changes={fault: True})
            returned()
            paid("20261124second")
            send_all(ahead_s=10)
            return {path: (headers, body) for path, headers, body in shop.heard}

        return send

    def test_wrong_amount_is_signed_and_wrong(self, v2, v3, notices):
        by_path = notices("wrong_amount")

        assert v2.parse_payment_result(by_path["/pay/payResult"][1])["total_fee"] == 1
        assert v3.callback(*by_path["/pay/notify"])["resource"]["amount"]["refund"] == 1
        assert v2.order.query(out_trade_no=NUMBER)["total_fee"] == "1234"

    def test_wrong_signature_is_refused(self, v2, v3, notices):
        by_path = notices("wrong_signature")

        with pytest.raises(InvalidSignatureException):
            v2.parse_payment_result(by_path["/pay/payResult"][1])
        assert v3.callback(*by_path["/pay/notify"]) is None
