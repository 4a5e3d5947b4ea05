"""Asking, closing and the sweeps: what the provider says decides, and silence decides nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import tasks
from payments.errors import PaymentMismatch, ProviderDown, ProviderUntrusted, WeChatRefused
from payments.models import Payment, PaymentLog, PaymentStatus
from payments.services.query_close import CloseOutcome, payment_close, payment_query, payments_query_due
from payments.tests.conftest import request
from payments.tests.fake_wechat import APPID, MCHID
from tests.kit import during

pytestmark = pytest.mark.django_db


def query(number, **options):
    return payment_query(out_trade_no=number, now=options.pop("now", None) or timezone.now(), **options)


def close(number):
    return payment_close(out_trade_no=number, now=timezone.now())


class TestQuery:
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
        number, other = start().out_trade_no, start().out_trade_no
        settings.WECHAT_PAY_V3_KEY = settings.WECHAT_PAY_PRIVATE_KEY_FILE = ""

        unpaid = query(number, min_interval_s=0)
        order = wechat.pay(number)
        paid = query(number, min_interval_s=0)

        assert Payment.objects.get(out_trade_no=number).is_paid
        assert (wechat.called("orderquery"), wechat.called("query")) == (2, 0)
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
        assert (close(other), wechat.orders[other]["state"]) == (CloseOutcome.CLOSED, "CLOSED")


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


# --- The sweeps: what notifications missed is found, at a cost that does not grow with what is settled ---
def later(**span):
    return timezone.now() + timedelta(**span)


def test_finds_what_no_notification_told(start, shop, wechat):
    paid_there, unpaid = start().out_trade_no, start().out_trade_no
    order = wechat.pay(paid_there)

    assert payments_query_due(now=timezone.now()) == 0  # too young
    assert payments_query_due(now=later(seconds=21)) == 2

    payment = Payment.objects.get(out_trade_no=paid_there)
    assert (payment.state, payment.transaction_id) == (PaymentStatus.PAID, order["transaction_id"])
    assert (payment.paid_at, payment.next_check_at) == (order["paid_at"].replace(microsecond=0), None)
    assert [(call["out_trade_no"], call["paid_fen"]) for call in shop.paid] == [(paid_there, 1234)]
    assert Payment.objects.get(out_trade_no=unpaid).state == PaymentStatus.OPEN
    assert payments_query_due(now=later(seconds=22)) == 0
    assert payments_query_due(now=later(seconds=42)) == 1


def test_a_closed_payment_is_watched_for_a_day_and_then_left_alone(start, wechat):
    number, now = start().out_trade_no, timezone.now()
    payment_close(out_trade_no=number, now=now)

    moments = []
    while due := Payment.objects.get().next_check_at:
        moments.append(due - now)
        payments_query_due(now=due)

    assert moments[0] == timedelta(minutes=1)
    assert timedelta(hours=24) < moments[-1] < timedelta(hours=29)
    assert len(moments) < 20


def test_a_silent_or_slow_provider_does_not_hold_up_the_sweep(start, wechat, monkeypatch):
    for _ in range(5):
        start()
    wechat.faults = [("query", "down")] * 5

    assert payments_query_due(now=later(seconds=30)) == 2

    assert len(wechat.faults) == 3
    wechat.faults = []
    monkeypatch.setattr("payments.services.sweep.MAX_SWEEP_S", 0)
    # Those that were not asked about stay due.
    assert [payments_query_due(now=later(seconds=31)) for _ in range(4)] == [1, 1, 1, 0]


def test_the_tasks_do_the_sweeps(start, paid, wechat):
    refund = request(paid(), 1)
    wechat.pay(start().out_trade_no)
    Payment.objects.filter(state="open").update(next_check_at=timezone.now())

    tasks.run_due_refunds()
    tasks.reconcile()
    tasks.purge_events()
    tasks.refresh_certificates()
    tasks.run_refund(refund.pk)

    refund.refresh_from_db()
    assert refund.state == "processing"
    assert Payment.objects.filter(state="paid").count() == 2
    assert wechat.called("certificates") == 0  # public-key mode


@pytest.mark.django_db(transaction=True)
def test_one_that_is_locked_or_does_not_fit_does_not_cost_the_others_their_turn(start, shop, wechat, monkeypatch):
    """One payment's order is locked too long; another's row is locked, and left to the process that holds it."""
    monkeypatch.setattr("payments.services.listener_call.LOCK_WAIT_MS", 100)
    locked, busy, wrong, *others = [start().out_trade_no for _ in range(5)]
    for number in (locked, busy, *others):
        wechat.pay(number)
    wechat.pay(wrong, fen=1)
    Payment.objects.filter(out_trade_no=locked).update(next_check_at=timezone.now())

    def lock():
        shop.lock(out_trade_no=locked)
        Payment.objects.select_for_update().get(out_trade_no=busy)

    assert during(lock, lambda: payments_query_due(now=later(seconds=30)), is_ended=True) == 4

    assert sorted(call["out_trade_no"] for call in shop.paid) == sorted(others)
    assert Payment.objects.get(out_trade_no=wrong).last_error
    assert payments_query_due(now=later(minutes=2)) == 3
    assert Payment.objects.filter(out_trade_no__in=[locked, busy], state="paid").count() == 2
