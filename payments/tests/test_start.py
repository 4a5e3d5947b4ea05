"""Starting a payment: once at the provider, whatever happens on the way."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.utils import timezone

from payments.errors import (
    PaymentAlreadyPaid,
    PaymentClosed,
    PaymentNotConfigured,
    ProviderDown,
    ProviderUntrusted,
    WeChatRefused,
)
from payments.models import Payment, PaymentStatus
from payments.services import start as start_module
from payments.services.query_close import CloseOutcome, payment_close
from tests.kit import at_once, meet_at

pytestmark = pytest.mark.django_db


def test_a_payment_is_written_down_and_keeps_its_code_until_that_ends_and_its_deadline_for_ever(start, wechat):
    now = timezone.now()
    assert start(now=now).time_expire - now > timedelta(minutes=5, seconds=30)  # the provider's shortest
    first = start(now=now, deadline=now + timedelta(hours=5))
    assert abs(first.time_expire - now - timedelta(hours=5)) < timedelta(seconds=1)
    assert (first.state, first.code_url) == (PaymentStatus.OPEN, "weixin://wxpay/bizpayurl?pr=c2")
    assert first.prepay_id.startswith("wx") and first.next_check_at is not None
    assert list(first.logs.values_list("event", "to_state")) == [("发起支付", "starting"), ("微信已下单", "open")]
    sent = wechat.orders[first.out_trade_no]["wanted"]
    assert sent["notify_url"] == "http://127.0.0.1:8399/pay/payResult"
    assert (sent["total_fee"], sent["spbill_create_ip"]) == ("1234", "203.0.113.9")

    second = start(first.out_trade_no, description="another", now=now + timedelta(minutes=1))
    assert (second.code_url, wechat.called("unifiedorder")) == (first.code_url, 2)
    third = start(first.out_trade_no, now=now + timedelta(hours=2))

    assert third.code_url != first.code_url
    assert third.time_expire == Payment.objects.get(pk=first.pk).time_expire == first.time_expire
    assert len(wechat.orders) == 2


def test_a_disk_that_keeps_no_number_stops_no_payment(start, settings, tmp_path):
    settings.PAYMENT_NUMBERS = tmp_path / "missing" / "numbers"

    assert start().state == PaymentStatus.OPEN


@pytest.mark.parametrize(("fault", "error"), [
    (("down",), ProviderDown), (("drop",), ProviderDown), (("bad_sign",), ProviderUntrusted),
    (("page", 502), ProviderDown),
    (("error", "SYSTEMERROR", "系统超时"), WeChatRefused),
])  # fmt: skip
def test_an_unknown_outcome_is_repeated_word_for_word_once(start, shop, wechat, fault, error):
    number = shop.order()
    wechat.faults = [("unifiedorder", *fault)]
    assert start(number).state == PaymentStatus.OPEN

    number = shop.order()
    wechat.faults = [("unifiedorder", *fault)] * 2
    with pytest.raises(error):
        start(number)

    payment = Payment.objects.get(out_trade_no=number)
    assert (payment.state, payment.code_url, payment.claimed_until) == (PaymentStatus.STARTING, "", None)
    assert payment.last_error
    assert start(number).state == PaymentStatus.OPEN
    assert len(wechat.orders) == 2


@pytest.mark.parametrize(("code", "message"), [
    ("FREQUENCY_LIMITED", "说明"), ("NOAUTH", "说明"), ("LACK_PARAMS", "说明"),
    ("OUT_TRADE_NO_USED", ""), ("INVALID_REQUEST", "201 商户订单号重复"),
])  # fmt: skip
def test_a_plain_no_is_not_repeated_and_a_used_number_is_told_as_such(start, wechat, code, message):
    """Though a query finds no order of a number that is used."""
    wechat.faults = [("unifiedorder", "error", code, message), ("query", "error", 404, "ORDER_NOT_EXIST")]

    with pytest.raises(WeChatRefused) as error:
        start()

    assert wechat.called("unifiedorder") == 1
    assert Payment.objects.get().is_refused is (code in ("NOAUTH", "LACK_PARAMS"))  # the others may be there
    if message != "说明":
        assert (error.value.code, error.value.status) == ("OUT_TRADE_NO_USED", 403)
        assert not wechat.faults


def test_what_the_provider_has_refused_may_be_placed_with_other_values(start, shop, wechat):
    number, wechat.openids = shop.order(), {"o-mini": "wx-mini"}
    with pytest.raises(WeChatRefused):
        start(number, trade_type="JSAPI", openid="o-mini", now=timezone.now() - timedelta(minutes=2))
    refused = Payment.objects.get()
    assert (refused.is_refused, refused.claimed_until) == (True, None)

    payment = start(number)

    assert (payment.state, payment.trade_type, payment.openid) == (PaymentStatus.OPEN, "NATIVE", "")
    assert payment.code_url and payment.next_check_at and payment.time_start > refused.time_start
    assert (Payment.objects.get(), payment.created_at) == (payment, refused.created_at)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_that_is_refused_twice_may_be_placed_with_other_values(start, shop, wechat):
    number, wechat.openids = shop.order(), {"o-mini": "wx-mini"}
    click = lambda: start(number, trade_type="JSAPI", openid="o-mini")  # noqa: E731

    assert all(isinstance(answer, WeChatRefused) for answer in at_once([click] * 3, refusals=(WeChatRefused,)))

    assert start(number).state == PaymentStatus.OPEN


@pytest.mark.parametrize("answers", [["lost", "lost"], ["lost", "no"], ["lost", "lost", "no"]])
def test_what_an_earlier_call_may_have_placed_keeps_its_values(start, shop, wechat, answers):
    """A refusal after a lost answer does not say that WeChat has no order."""
    faults = {"lost": ("unifiedorder", "drop"), "no": ("unifiedorder", "error", "NOAUTH", "说明")}
    wechat.faults = [faults[answer] for answer in answers]
    number = shop.order()
    while wechat.faults:
        with pytest.raises((ProviderDown, WeChatRefused)):
            start(number)

    with pytest.raises(WeChatRefused, match="OUT_TRADE_NO_USED"):
        start(number, trade_type="APP")

    assert start(number, now=timezone.now() + timedelta(seconds=2)).state == PaymentStatus.OPEN


@pytest.mark.parametrize("is_paid", [True, False])
def test_what_the_provider_has_taken_or_closed_is_recorded_and_told(start, shop, wechat, is_paid):
    wechat.faults = [("unifiedorder", "drop")] * 2
    number = shop.order()
    with pytest.raises(ProviderDown):
        start(number)
    if is_paid:
        wechat.pay(number)
    else:
        wechat.orders[number]["state"] = "CLOSED"

    with pytest.raises(PaymentAlreadyPaid if is_paid else PaymentClosed):
        start(number)

    assert Payment.objects.get().state == (PaymentStatus.PAID if is_paid else PaymentStatus.CLOSED)
    assert [call["out_trade_no"] for call in shop.paid] == [number] * is_paid


def test_paid_closed_and_expired_payments_cannot_be_started(start, paid, wechat):
    with pytest.raises(PaymentAlreadyPaid):
        start(paid().out_trade_no)
    closed = start()
    payment_close(out_trade_no=closed.out_trade_no, now=timezone.now())
    with pytest.raises(PaymentClosed):
        start(closed.out_trade_no)
    expired = start()
    with pytest.raises(PaymentClosed):
        start(expired.out_trade_no, now=timezone.now() + timedelta(minutes=7))


def test_nothing_starts_without_merchant_values_or_an_openid_or_with_other_parameters_than_at_first(
    start, shop, wechat, settings
):
    number = start().out_trade_no
    for change, code in (
        ({"trade_type": "JSAPI"}, "PARAM_ERROR"), ({"trade_type": "JSAPI", "openid": "]]><x/>"}, "PARAM_ERROR"),
        ({"trade_type": "APP"}, "OUT_TRADE_NO_USED"),
        ({"amount_fen": 1}, "OUT_TRADE_NO_USED"),
    ):  # fmt: skip
        with pytest.raises(WeChatRefused) as error:
            start(number, **change)
        assert error.value.code == code
    settings.WECHAT_PAY_API_KEY = ""
    with pytest.raises(PaymentNotConfigured):
        start()

    assert Payment.objects.count() == wechat.called("unifiedorder") == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_one_order_with_the_code_of_the_first_answer(start, shop, wechat, monkeypatch):
    """Both have asked before either keeps its answer, and the second waits for the lock of the first."""
    number = shop.order()
    for step in ("_keep_ticket", "set_state"):
        meet_at(monkeypatch, f"payments.services.start.{step}")

    first, second = at_once([lambda: start(number)] * 2)

    assert wechat.called("unifiedorder") == 2 and len(wechat.orders) == 1
    assert first.code_url == second.code_url == Payment.objects.get().code_url != ""


@pytest.mark.parametrize("fault", [("down",), ("error", "OUT_TRADE_NO_USED", "")])
def test_a_click_that_fails_shows_the_code_that_the_other_got(start, shop, wechat, monkeypatch, fault):
    number, ask, codes = shop.order(), start_module._ask_twice, []

    def other_first(payment):
        monkeypatch.setattr(start_module, "_ask_twice", ask)
        codes.append(start(number).code_url)
        wechat.faults = [("unifiedorder", *fault)] * 2
        return ask(payment)

    monkeypatch.setattr(start_module, "_ask_twice", other_first)

    assert [start(number).code_url] == codes


@pytest.mark.parametrize("claim", [start_module.SHARED_CLAIM, start_module.CLAIM])
def test_a_failed_click_closes_no_order_while_another_is_at_the_provider(start, shop, wechat, monkeypatch, claim):
    """Its twin, the shorter claim, shows what happens where the click that fails may end it: the code is of no use."""
    number, ask, is_kept = shop.order(), start_module._ask_twice, claim > start_module.CLAIM
    monkeypatch.setattr(start_module, "SHARED_CLAIM", claim)

    def other_fails(payment):
        monkeypatch.setattr(start_module, "_ask_twice", ask)
        wechat.faults = [("unifiedorder", "error", "NOAUTH", "")]
        with pytest.raises(WeChatRefused):
            start(number)
        assert (payment_close(out_trade_no=number, now=timezone.now()) is CloseOutcome.STARTING) == is_kept
        return ask(payment)

    monkeypatch.setattr(start_module, "_ask_twice", other_fails)
    with nullcontext() if is_kept else pytest.raises(PaymentClosed):
        start(number, now=timezone.now() - start_module.CLAIM)  # so long ago, because it waited for a lock


@pytest.mark.parametrize("step", ["_claim", "_ask_twice"])
def test_a_payment_that_closes_while_it_is_started_stays_closed(start, wechat, monkeypatch, step):
    """Before its row is locked, or while the provider is asked."""
    number, do = start().out_trade_no, getattr(start_module, step)
    Payment.objects.update(code_at=None)

    def closing(*arguments):
        payment_close(out_trade_no=number, now=timezone.now() + start_module.CLAIM)
        wechat.orders[number]["state"] = "NOTPAY"  # else the provider refuses it, too
        return do(*arguments)

    monkeypatch.setattr(start_module, step, closing)
    with pytest.raises(PaymentClosed):
        start(number)

    assert Payment.objects.get().state == PaymentStatus.CLOSED
    assert wechat.called("unifiedorder") == 1 + (step == "_ask_twice")
