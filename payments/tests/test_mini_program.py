"""A payment in the mini program: asked about, notified and refunded under its own appid, by either API."""

from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from payments.errors import PaymentMismatch
from payments.gateways.wechat import gateway_v2, gateway_v3, merchant
from payments.models import Payment, PaymentLog, RefundStatus
from payments.services.after_restore import payment_assume_started
from payments.services.common import payee, payees
from payments.services.confirm import payment_confirm
from payments.services.query_close import payment_close, payment_query
from payments.services.refund import refund_run
from payments.tests.conftest import request
from payments.tests.fake_wechat import APPID, MCHID, MINI_APPID

pytestmark = pytest.mark.django_db


@pytest.fixture
def started(start, wechat):
    wechat.openids = {"o-mini": MINI_APPID, "o-web": APPID}
    return start(trade_type="JSAPI", openid="o-mini", appid=MINI_APPID)


@pytest.mark.parametrize("api", ["v2", "v3"])
def test_a_query_of_either_api_settles_it(started, wechat, api):
    wechat.pay(started.out_trade_no)
    gateway = (gateway_v2 if api == "v2" else gateway_v3)(payee(started))

    result = gateway.query(started.out_trade_no)

    assert (result.appid, payment_confirm(result=result, now=timezone.now(), source="主动查询").is_paid) == (
        MINI_APPID,
        True,
    )


@pytest.mark.parametrize("api", ["v2", "v3"])
def test_a_notice_settles_it_unless_it_names_another_app(started, wechat, shop, api):
    wechat.pay(started.out_trade_no)

    def tell(**changes):
        if api == "v2":
            body = wechat.notice_v2(started.out_trade_no, **changes)
            return Client().post("/pay/payResult", body, "text/xml")
        body, headers = wechat.notice_v3(started.out_trade_no, changes=changes)
        return Client().post("/pay/notify", body, "application/json", headers=headers)

    tell(appid=APPID)
    assert (Payment.objects.get().is_paid, shop.paid) == (False, [])
    tell()
    assert (Payment.objects.get().is_paid, len(shop.paid)) == (True, 1)


def test_its_refund_goes_back_and_an_unpaid_one_closes(started, start, wechat):
    wechat.pay(started.out_trade_no)
    payment_query(out_trade_no=started.out_trade_no, now=timezone.now())
    refund = request(Payment.objects.get(pk=started.pk))
    assert refund_run(refund_id=refund.pk, now=timezone.now()).state == RefundStatus.PROCESSING
    body, headers = wechat.refund_notice_v3(refund.out_refund_no)
    Client().post("/pay/notify", body, "application/json", headers=headers)
    refund.refresh_from_db()
    assert refund.state == RefundStatus.SUCCESS

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
