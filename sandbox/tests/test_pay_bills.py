"""The stand-in's daily bills: true ones, and false ones by the dial."""

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
import time_machine
from django.utils import timezone
from wechatpayv3.utils import build_authorization

from core.times import local
from sandbox.models import Refund, Trade
from sandbox.tests.conftest import NUMBER

pytestmark = pytest.mark.django_db
NOON = (local(timezone.now()) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
DAY = f"{NOON:%Y-%m-%d}"


@pytest.fixture
def sold(paid: Any, give_back: Any) -> Trade:
    """A payment and a refund of three days ago."""
    paid()
    give_back(fen=234)
    Trade.objects.update(paid_at=NOON)
    Refund.objects.update(created_at=NOON + timedelta(hours=1))
    return Trade.objects.get()


@pytest.fixture
def bill(v3: Any) -> Callable[..., list[list[str]]]:
    """Fetch the bill as a merchant does, check its digest, and answer its lines."""

    def fetch() -> list[list[str]]:
        status, text = v3.trade_bill(DAY, "ALL")
        assert status == 200, text
        offer, core = json.loads(text), v3._core
        path = offer["download_url"].removeprefix("https://api.mch.weixin.qq.com")
        authorization = build_authorization(path, "GET", core._mchid, core._cert_serial_no, core._private_key)
        answer = requests.get(core._gate_way + path, headers={"Authorization": authorization}, timeout=10)
        raw = gzip.decompress(answer.content)
        assert (offer["hash_type"], offer["hash_value"]) == ("SHA1", hashlib.sha1(raw).hexdigest())
        assert requests.get(core._gate_way + path, timeout=10).status_code == 401
        return [line.split(",") for line in raw.decode("utf-8-sig").split("\r\n")[:-1]]

    return fetch


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["code"]


def test_has_payments_and_refunds(bill: Any, sold: Trade) -> None:
    titles, *rows, sums_titles, sums = bill()

    paid, back = (dict(zip(titles, [cell.removeprefix("`") for cell in row], strict=True)) for row in rows)
    assert (paid["商户订单号"], paid["微信订单号"], paid["交易状态"]) == (NUMBER, sold.transaction_id, "SUCCESS")
    assert (paid["订单金额"], paid["申请退款金额"], paid["交易时间"]) == ("12.34", "0.00", f"{DAY} 12:00:00")
    assert (back["交易状态"], back["商户退款单号"], back["申请退款金额"]) == ("REFUND", "R1", "2.34")
    assert (back["退款状态"], back["订单金额"]) == ("PROCESSING", "0.00")
    assert sums_titles[0] == "总交易单数" and sums[0] == "`2"
    assert len(titles) == 27


def test_no_bill_of_a_day_without_trade_nor_of_today_nor_before_ten(v3: Any, sold: Trade) -> None:
    today = local(timezone.now())
    assert code_of(v3.trade_bill(f"{NOON - timedelta(days=1):%Y-%m-%d}")) == (400, "NO_STATEMENT_EXIST")
    assert code_of(v3.trade_bill(f"{today:%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill(f"{today - timedelta(days=91):%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill("2026-13-01")) == (400, "PARAM_ERROR")
    with time_machine.travel((NOON + timedelta(days=1)).replace(hour=9)):
        assert code_of(v3.trade_bill(DAY)) == (400, "STATEMENT_CREATING")


def test_our_own_comparison_reads_true_and_false_ones(server: str, control: Any, settings: Any) -> None:
    from payments.listener import PaidOutcome, PaymentListener
    from payments.models import Difference
    from payments.services import payment_query, payment_start
    from payments.services.bills import bill_reconcile
    from tests.kit import listener_replaced

    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"
    listener = PaymentListener(
        lock=lambda *, out_trade_no: 1234 if out_trade_no == NUMBER else None,
        on_paid=lambda **facts: PaidOutcome.ACCEPTED,
        on_refund_changed=lambda **facts: None,
    )
    with listener_replaced(listener):
        now = timezone.now()
        facts = {"amount_fen": 1234, "description": "可乐,`大", "trade_type": "NATIVE", "client_ip": "::1"}
        payment_start(out_trade_no=NUMBER, **facts, deadline=now + timedelta(minutes=2), now=now)
        control("pay", out_trade_no=NUMBER)
        Trade.objects.update(paid_at=NOON)
        payment_query(out_trade_no=NUMBER, now=now)

        (run,) = bill_reconcile(day=NOON.date(), now=now)
        assert (run.state, run.rows, run.paid_fen, run.differences, run.last_error) == ("done", 1, 1234, 0, "")
        for fault, kinds in (("row_more", ["stray_money"]), ("wrong_amount", ["amount"]), ("row_missing", [])):
            control("faults", reset=True, **{f"bill_{fault}": True})
            bill_reconcile(day=NOON.date(), now=now)
            assert list(Difference.objects.filter(ending="").values_list("kind", flat=True)) == kinds
        for fault, state in (("wrong_hash", "digest"), ("late", "INVALID_REQUEST")):
            control("faults", reset=True, **{f"bill_{fault}": True})
            (run,) = bill_reconcile(day=NOON.date(), now=now)
            assert run.state == "done" and state in run.last_error
