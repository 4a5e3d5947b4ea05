"""Asking and closing: what the provider says decides, and silence decides nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments.errors import PaymentMismatch, ProviderDown, ProviderUntrusted, WeChatRefused
from payments.models import Payment, PaymentLog, PaymentStatus
from payments.services.query_close import CloseOutcome, payment_close, payment_query
from payments.tests.fake_wechat import APPID, MCHID

pytestmark = pytest.mark.django_db


def query(number, **options):
    return payment_query(out_trade_no=number, now=options.pop("now", None) or timezone.now(), **options)


def close(number):
    return payment_close(out_trade_no=number, now=timezone.now())


class TestQuery:
    def test_settles_with_the_providers_time_and_number(self, start, shop, wechat):
        number = start().out_trade_no
        assert query(number, min_interval_s=0)["trade_state"] == "NOTPAY"
        order = wechat.pay(number)

        paid = query(number, min_interval_s=0)

        payment = Payment.objects.get()
        assert paid["amount"]["total"] == 1234
        assert (payment.state, payment.transaction_id) == (PaymentStatus.PAID, order["transaction_id"])
        assert (payment.paid_at, payment.next_check_at) == (order["paid_at"].replace(microsecond=0), None)
        assert [(call["paid_fen"], call["transaction_id"]) for call in shop.paid] == [(1234, order["transaction_id"])]

    def test_tells_the_providers_error_and_believes_nothing_that_is_not_authentic(self, start, shop, wechat):
        with pytest.raises(WeChatRefused) as error:
            query(shop.order(), min_interval_s=0)
        assert error.value.body() == {
            "status": 404, "state": False, "msg": "订单不存在", "code": "ORDERNOTEXIST",
            "solution": "请检查订单是否发起过交易", "detail": "说明",
        }  # fmt: skip
        number = start().out_trade_no
        wechat.pay(number)
        wechat.faults = [("query", "bad_sign")]

        with pytest.raises(ProviderUntrusted) as failure:
            query(number)

        assert failure.value.http_status == 502
        assert (Payment.objects.get().state, shop.paid) == (PaymentStatus.OPEN, [])

    @pytest.mark.parametrize(("amount", "owed_fen", "problem"), [
        ({"total": 1, "currency": "CNY"}, 1234, "金额不一致"), ({"total": 1234, "currency": "CNY"}, 1235, "金额不一致"),
        ({"total": 1234, "currency": "USD"}, 1234, "币种不一致"), ({}, 1234, "其他订单"),
    ])  # fmt: skip
    def test_what_does_not_fit_pays_nothing_and_is_logged(self, start, paid, shop, wechat, amount, owed_fen, problem):
        """The last one: a transaction that has paid another order."""
        other, number = paid(), start().out_trade_no
        wechat.pay(number)
        shop.owed[number] = owed_fen
        change = {"amount": amount} if amount else {"transaction_id": other.transaction_id}
        wechat.faults = [("query", "change", change)]

        with pytest.raises(PaymentMismatch):
            query(number)

        payment = Payment.objects.get(out_trade_no=number)
        assert payment.state == PaymentStatus.OPEN and problem in payment.last_error
        assert PaymentLog.objects.filter(event="支付信息不一致").count() == 1 == len(shop.paid)

    def test_without_v3_values_v2_is_asked_and_the_answer_is_the_documented_one_too(self, start, wechat, settings):
        number = start().out_trade_no
        settings.WECHAT_PAY_V3_KEY = settings.WECHAT_PAY_PRIVATE_KEY_FILE = ""

        unpaid = query(number, min_interval_s=0)
        order = wechat.pay(number)
        paid = query(number, min_interval_s=0)

        assert Payment.objects.get().is_paid and (wechat.called("orderquery"), wechat.called("query")) == (2, 0)
        ours = {"appid": APPID, "mchid": MCHID, "out_trade_no": number, "trade_state_desc": "说明", "attach": ""}
        assert unpaid == ours | {"trade_state": "NOTPAY", "payer": {}}
        assert paid == ours | {
            "trade_state": "SUCCESS",
            "payer": {"openid": "oUpF8uMuAJO"},
            "transaction_id": order["transaction_id"],
            "trade_type": "NATIVE",
            "bank_type": "CMC",
            "success_time": order["paid_at"].isoformat(timespec="seconds"),
            "amount": {"total": 1234, "payer_total": 1233, "currency": "CNY", "payer_currency": "CNY"},
        }


class TestClose:
    @pytest.mark.parametrize("is_late", [True, False])  # paid between the question and the close
    def test_what_is_paid_there_is_paid_here(self, start, shop, wechat, monkeypatch, is_late):
        number, v3_close = start().out_trade_no, wechat.v3_close
        if is_late:
            monkeypatch.setattr(
                wechat, "v3_close", lambda *order, **options: wechat.pay(number) and v3_close(*order, **options)
            )
        else:
            wechat.pay(number)

        assert [close(number), close(number)] == [CloseOutcome.PAID] * 2

        assert len(shop.paid) == 1
        assert wechat.called("close") == is_late

    @pytest.mark.parametrize("fault", [("down",), ("no_sign",), ("error", 500, "SYSTEM_ERROR")])
    def test_silence_and_lies_keep_the_stock(self, start, wechat, fault):
        payment = start()
        for operation in ("query", "close"):
            wechat.faults = [(operation, *fault)]

            assert close(payment.out_trade_no) is CloseOutcome.UNKNOWN

            payment.refresh_from_db()
            assert payment.state == PaymentStatus.OPEN and payment.last_error
        assert close(payment.out_trade_no) is CloseOutcome.CLOSED

    def test_past_the_providers_deadline_an_unpaid_order_needs_no_yes_but_an_answer(self, start, wechat):
        payment = start()

        def close_after(minutes, *faults):
            wechat.faults = list(faults)
            return payment_close(
                out_trade_no=payment.out_trade_no, now=payment.time_expire + timedelta(minutes=minutes)
            )

        assert close_after(4, ("close", "down")) is CloseOutcome.UNKNOWN
        assert close_after(1440, ("query", "down")) is CloseOutcome.UNKNOWN
        assert close_after(6, ("close", "down")) is CloseOutcome.CLOSED

    def test_what_is_paid_right_now_or_wrongly_keeps_the_stock(self, start, shop, wechat):
        wrong, paying = start().out_trade_no, start().out_trade_no
        wechat.pay(wrong, fen=1)
        wechat.orders[paying]["state"] = "USERPAYING"

        assert close(wrong) is close(paying) is CloseOutcome.UNKNOWN
        assert wechat.called("close") == 0 and shop.paid == []

    def test_what_never_arrived_never_started_or_is_closed_or_refunded_over_there_is_closed(self, start, shop, wechat):
        number = shop.order()
        assert close(number) is CloseOutcome.CLOSED
        wechat.faults = [("unifiedorder", "down")] * 2
        with pytest.raises(ProviderDown):
            start(number)
        first, second = start().out_trade_no, start().out_trade_no
        wechat.orders[first]["state"] = "CLOSED"
        wechat.pay(second)["state"] = "REFUND"

        assert close(number) is close(first) is close(second) is CloseOutcome.CLOSED
        assert close(number) is CloseOutcome.CLOSED and wechat.called("close") == 1
        assert "人工核对" in Payment.objects.get(out_trade_no=second).last_error
