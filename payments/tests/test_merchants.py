"""Whose a payment is: that of an earlier merchant is handled with its keys, one in the mini program under its appid."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from config.settings import readers as env
from payments.doctor import former_payments, wechat_pay
from payments.errors import PaymentMismatch, PaymentNotConfigured
from payments.gateways.base import PaymentResult
from payments.gateways.wechat import gateway_v2, gateway_v3, merchant
from payments.models import Payment, PaymentLog
from payments.services.after_restore import payment_assume_started
from payments.services.confirm import payment_confirm
from payments.services.payee import payee, payees
from payments.services.query_close import payment_close, payment_query, payments_query_due
from payments.services.refund import refund_run
from payments.tests.conftest import post_v2, post_v3, request
from payments.tests.fake_wechat import APPID, MCHID, MINI_APPID

pytestmark = pytest.mark.django_db


@pytest.fixture
def moved(settings, merchant_values):
    """Call it to let the school move to a merchant whom the provider of these tests does not know."""

    def move():
        settings.WECHAT_PAY_FORMER_MERCHANTS = [merchant_values]
        settings.WECHAT_APP_ID, settings.WECHAT_PAY_MCH_ID = "wx00000000000000ne", "1900000999"
        settings.WECHAT_PAY_API_KEY, settings.WECHAT_PAY_V3_KEY = "n" * 32, "N" * 32
        settings.WECHAT_PAY_CERT_SERIAL = "AAAA"

    return move


def test_an_old_payment_is_settled_and_refunded_with_its_own_keys(start, shop, wechat, moved, settings):
    of_another_app = start()
    wechat.pay(of_another_app.out_trade_no)
    settings.WECHAT_APP_ID = "wx00000000000000ap"
    payment_query(out_trade_no=of_another_app.out_trade_no, now=timezone.now())
    assert Payment.objects.get().state == "paid"
    settings.WECHAT_APP_ID = APPID
    queried, swept, noticed, noticed_v2 = payments = [start() for _ in range(4)]
    for payment in payments:
        wechat.pay(payment.out_trade_no)
    moved()

    payment_query(out_trade_no=queried.out_trade_no, now=timezone.now())
    Payment.objects.filter(pk__in=[noticed.pk, noticed_v2.pk]).update(next_check_at=None)
    payments_query_due(now=timezone.now() + timedelta(seconds=30))
    post_v3(*wechat.notice_v3(noticed.out_trade_no))
    post_v2(wechat.notice_v2(noticed_v2.out_trade_no))

    assert Payment.objects.filter(state="paid", appid=APPID, mch_id=MCHID).count() == len(shop.paid) == 5
    refund = request(queried)
    assert refund_run(refund_id=refund.pk, now=timezone.now()).state == "processing"
    post_v3(*wechat.refund_notice_v3(refund.out_refund_no))
    refund.refresh_from_db()
    assert refund.state == "success"


def test_a_merchants_keys_open_no_other_merchants_payments_and_refunds(start, paid, shop, wechat, moved):
    """An earlier merchant's signature is good; for money that went there, not for an order of the present one."""
    payment = start()
    wechat.pay(payment.out_trade_no)
    refund = refund_run(refund_id=request(paid()).pk, now=timezone.now())
    shop.paid.clear()
    moved()
    Payment.objects.update(appid="wx00000000000000ne", mch_id="1900000999")

    findings = {finding.what.partition("：")[0]: finding.ok for finding in wechat_pay()}
    for version in ("v2", "v3"):
        assert findings[f"微信支付 {version}（原商户 {MCHID}）"] is True
    assert findings["微信支付 v2"] is False
    assert b"FAIL" in post_v3(*wechat.notice_v3(payment.out_trade_no)).content
    assert b"FAIL" in post_v2(wechat.notice_v2(payment.out_trade_no)).content
    assert b"FAIL" in post_v3(*wechat.refund_notice_v3(refund.out_refund_no)).content
    refund.refresh_from_db()
    assert (shop.paid, refund.state) == ([], "processing")


def test_without_the_old_keys_the_others_go_on(start, shop, wechat):
    old = [start().out_trade_no for _ in range(3)]
    Payment.objects.update(mch_id="1900000001")
    new = start().out_trade_no
    wechat.pay(new)

    with pytest.raises(PaymentNotConfigured):
        payment_query(out_trade_no=old[0], now=timezone.now())
    payments_query_due(now=timezone.now() + timedelta(seconds=30))

    assert Payment.objects.get(out_trade_no=new).is_paid
    (finding,) = former_payments()
    assert finding.what.startswith("有支付或退款在等商户 1900000001")


def test_an_older_payment_takes_any_merchant_of_ours_and_no_other(start, shop):
    payment = start()
    Payment.objects.update(appid="", mch_id="")
    foreign = PaymentResult(payment.out_trade_no, "SUCCESS", APPID, "1900000001", 1234, transaction_id="42")

    with pytest.raises(PaymentMismatch):
        payment_confirm(result=foreign, now=timezone.now(), source="主动查询")

    ours = replace(foreign, mch_id=MCHID)
    assert payment_confirm(result=ours, now=timezone.now(), source="主动查询").mch_id == MCHID


def test_the_files_of_former_merchants_are_read_and_checked(tmp_path, monkeypatch):
    good, bad = tmp_path / "2024.env", tmp_path / "2025.env"
    good.write_text("WECHAT_APP_ID=wx1\n# its number\nWECHAT_PAY_MCH_ID=19\nWECHAT_PAY_API_KEY='k'\n")
    monkeypatch.setenv("FORMER", str(good))
    assert env.former_merchants("FORMER") == [
        {"WECHAT_APP_ID": "wx1", "WECHAT_PAY_MCH_ID": "19", "WECHAT_PAY_API_KEY": "k"}
    ]

    missing = str(tmp_path / "missing.env")
    for text in ("WECHAT_APP_ID=wx1\n", "WECHAT_APP_ID=wx1\nWECHAT_PAY_MCH_ID=19\nDATABASE_URL=x\n", "nonsense\n"):
        bad.write_text(text)
        for files in (f"{good},{bad}", missing):
            monkeypatch.setenv("FORMER", files)
            with pytest.raises(ImproperlyConfigured, match="FORMER has a bad value"):
                env.former_merchants("FORMER")


# --- In the mini program ---
@pytest.fixture
def started(start, wechat):
    wechat.openids = {"o-mini": MINI_APPID, "o-web": APPID}
    return start(trade_type="JSAPI", openid="o-mini", appid=MINI_APPID)


@pytest.mark.parametrize("api", ["v2", "v3"])
def test_a_query_and_a_notice_of_either_api_settle_it_unless_one_names_another_app(started, wechat, shop, api):
    number = started.out_trade_no
    wechat.pay(number)

    def tell(**changes):
        if api == "v2":
            return post_v2(wechat.notice_v2(number, **changes)).content
        return post_v3(*wechat.notice_v3(number, changes=changes)).content

    assert b"FAIL" in tell(appid=APPID)
    assert (Payment.objects.get().is_paid, shop.paid) == (False, [])
    result = (gateway_v2 if api == "v2" else gateway_v3)(payee(started)).query(number)
    assert result.appid == MINI_APPID
    assert payment_confirm(result=result, now=timezone.now(), source="主动查询").is_paid
    assert b"SUCCESS" in tell() and len(shop.paid) == 1


def test_its_refund_goes_back_and_an_unpaid_one_closes(started, start, wechat):
    wechat.pay(started.out_trade_no)
    payment_query(out_trade_no=started.out_trade_no, now=timezone.now())
    refund = request(Payment.objects.get(pk=started.pk))
    assert refund_run(refund_id=refund.pk, now=timezone.now()).state == "processing"
    post_v2(wechat.refund_notice_v2(refund.out_refund_no).replace(APPID.encode(), MINI_APPID.encode()))
    refund.refresh_from_db()
    assert refund.state == "success"

    unpaid = start(trade_type="JSAPI", openid="o-mini", appid=MINI_APPID)
    Payment.objects.filter(pk=unpaid.pk).update(claimed_until=None)
    assert payment_close(out_trade_no=unpaid.out_trade_no, now=timezone.now()).value == "closed"


def test_a_payment_that_a_restored_backup_lacks_may_be_of_either_app_and_of_no_third(shop, start, wechat):
    numbers = {appid: start(trade_type="JSAPI", openid="o1", appid=appid).out_trade_no for appid in ("", MINI_APPID)}
    PaymentLog.objects.all().delete()
    Payment.objects.all().delete()
    now = timezone.now()
    for number in numbers.values():
        wechat.pay(number)
        assert payment_assume_started(out_trade_no=number, amount_fen=1234, deadline=now, now=now)
        payment_query(out_trade_no=number, now=now)

    assert sorted(Payment.objects.filter(state="paid").values_list("appid", flat=True)) == sorted([APPID, MINI_APPID])
    assert payees(Payment(appid="", mch_id=MCHID)) == [(APPID, MCHID), (MINI_APPID, MCHID)]
    third = gateway_v3(merchant()).query(numbers[""])
    with pytest.raises(PaymentMismatch):
        payment_confirm(result=replace(third, appid="wx-third"), now=now, source="主动查询")
