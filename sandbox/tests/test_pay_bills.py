"""The stand-in's daily bills, read by our gateway; the demo's tests compare them with our books."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from core.times import local
from payments.gateways.wechat import gateway_v3
from sandbox.models import Refund, Trade
from sandbox.tests.conftest import NUMBER

pytestmark = pytest.mark.django_db
NOON = (local(timezone.now()) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
DAY = f"{NOON:%Y-%m-%d}"


@pytest.fixture
def sold(paid, give_back):
    """A payment and a refund of three days ago."""
    paid()
    give_back(fen=234)
    Trade.objects.update(paid_at=NOON)
    Refund.objects.update(created_at=NOON + timedelta(hours=1))
    return Trade.objects.get()


def code_of(answer):
    return answer[0], json.loads(answer[1])["code"]


def test_a_bill_has_payments_and_refunds(server, settings, sold):
    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"

    paid, back = gateway_v3().bill(NOON.date()).rows

    assert (paid.out_trade_no, paid.transaction_id) == (NUMBER, sold.transaction_id)
    assert (paid.bill_state, paid.bill_fen, paid.out_refund_no, paid.bill_at) == ("SUCCESS", 1234, "", NOON)
    assert (back.bill_state, back.bill_fen, back.out_refund_no) == ("PROCESSING", 234, "R1")
    assert back.bill_at == NOON + timedelta(hours=1)


def test_no_bill_of_a_day_without_trade_nor_of_today_nor_before_ten(v3, sold):
    today = local(timezone.now())
    assert code_of(v3.trade_bill(f"{NOON - timedelta(days=1):%Y-%m-%d}")) == (400, "NO_STATEMENT_EXIST")
    assert code_of(v3.trade_bill(f"{today:%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill(f"{today - timedelta(days=91):%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill("2026-13-01")) == (400, "PARAM_ERROR")
    with time_machine.travel((NOON + timedelta(days=1)).replace(hour=9)):
        assert code_of(v3.trade_bill(DAY)) == (400, "STATEMENT_CREATING")
