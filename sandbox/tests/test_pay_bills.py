"""The stand-in's daily bills: true ones, and false ones by the dial."""

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
import time_machine
from django.utils import timezone

from sandbox.models import Refund, Trade
from sandbox.pay.numbers import BEIJING

pytestmark = pytest.mark.django_db
NUMBER = "20261124120000000v3v3v3v3v3v"
NOON = (timezone.now().astimezone(BEIJING) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)
DAY = f"{NOON:%Y-%m-%d}"


@pytest.fixture
def sold(v3: Any, order_v2: Any, control: Any) -> Trade:
    """A payment and a refund of three days ago."""
    control("pay", code_url=order_v2(NUMBER)["code_url"])
    v3.refund(out_refund_no="R1", amount={"refund": 234, "total": 1234, "currency": "CNY"}, out_trade_no=NUMBER)
    Trade.objects.update(paid_at=NOON)
    Refund.objects.update(created_at=NOON + timedelta(hours=1))
    return Trade.objects.get()


@pytest.fixture
def bill(v3: Any, server: str) -> Callable[..., list[list[str]]]:
    """Fetch a bill as a merchant does, check its digest, and answer its lines."""

    def fetch(day: str = DAY, kind: str = "ALL") -> list[list[str]]:
        status, text = v3.trade_bill(day, kind)
        assert status == 200, text
        said = json.loads(text)
        assert said["download_url"].startswith(f"{server}/sandbox/wxpay/v3/billdownload/file?token=")
        path = said["download_url"].removeprefix(f"{server}/sandbox/wxpay")
        headers = {"Authorization": _authorization(v3, path)}
        raw = gzip.decompress(requests.get(said["download_url"], headers=headers, timeout=10).content)
        assert (said["hash_type"], said["hash_value"]) == ("SHA1", hashlib.sha1(raw).hexdigest())
        assert requests.get(said["download_url"], timeout=10).status_code == 401
        return [line.split(",") for line in raw.decode("utf-8-sig").split("\r\n")[:-1]]

    return fetch


def _authorization(v3: Any, path: str) -> str:
    from wechatpayv3.utils import build_authorization

    core = v3._core
    return build_authorization(path, "GET", core._mchid, core._cert_serial_no, core._private_key)


def code_of(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["code"]


def test_has_payments_and_refunds(bill: Any, sold: Trade) -> None:
    titles, paid, given, sums_titles, sums = bill()

    row = dict(zip(titles, [cell.removeprefix("`") for cell in paid], strict=True))
    assert (row["商户订单号"], row["微信订单号"], row["交易状态"]) == (NUMBER, sold.transaction_id, "SUCCESS")
    assert (row["订单金额"], row["申请退款金额"], row["交易时间"]) == ("12.34", "0.00", f"{DAY} 12:00:00")
    back = dict(zip(titles, [cell.removeprefix("`") for cell in given], strict=True))
    assert (back["交易状态"], back["商户退款单号"], back["申请退款金额"]) == ("REFUND", "R1", "2.34")
    assert (back["退款状态"], back["订单金额"]) == ("PROCESSING", "0.00")
    assert sums_titles[0] == "总交易单数" and sums[0] == "`2"
    assert len(titles) == 27


def test_of_one_kind_alone(bill: Any, sold: Trade) -> None:
    assert len(bill(kind="SUCCESS")) == len(bill(kind="REFUND")) == 4


def test_no_bill_of_a_day_without_trade_nor_of_today_nor_before_ten(v3: Any, sold: Trade) -> None:
    today = timezone.now().astimezone(BEIJING)
    assert code_of(v3.trade_bill(f"{NOON - timedelta(days=1):%Y-%m-%d}")) == (400, "NO_STATEMENT_EXIST")
    assert code_of(v3.trade_bill(f"{today:%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill(f"{today - timedelta(days=91):%Y-%m-%d}")) == (400, "INVALID_REQUEST")
    assert code_of(v3.trade_bill("2026-1-1")) == (400, "PARAM_ERROR")
    assert code_of(v3.trade_bill(DAY, "EVERYTHING")) == (400, "PARAM_ERROR")
    with time_machine.travel(datetime.combine(NOON.date() + timedelta(days=1), NOON.time(), BEIJING).replace(hour=9)):
        assert code_of(v3.trade_bill(DAY)) == (400, "STATEMENT_CREATING")


@pytest.mark.parametrize(
    ("fault", "rows", "amount"),
    [("bill_row_missing", 1, "12.34"), ("bill_row_more", 3, "12.34"), ("bill_wrong_amount", 2, "12.35")],
)
def test_the_dial_falsifies_it(bill: Any, sold: Trade, control: Any, fault: str, rows: int, amount: str) -> None:
    control("faults", **{fault: True})

    titles, *lines = bill()

    assert len(lines) - 2 == rows
    assert lines[0][titles.index("订单金额")] == f"`{amount}"
    assert bill()[1:] == lines


def test_a_wrong_digest_and_a_late_bill(v3: Any, sold: Trade, control: Any) -> None:
    control("faults", bill_wrong_hash=True)
    false = json.loads(v3.trade_bill(DAY)[1])["hash_value"]
    control("faults", reset=True, bill_late=True)
    assert code_of(v3.trade_bill(DAY)) == (400, "STATEMENT_CREATING")
    control("faults", reset=True)

    assert json.loads(v3.trade_bill(DAY)[1])["hash_value"] != false


def test_a_made_up_address_is_refused(v3: Any, server: str) -> None:
    path = "/v3/billdownload/file?token=nosuchtoken"
    headers = {"Authorization": _authorization(v3, path)}

    answer = requests.get(f"{server}/sandbox/wxpay{path}", headers=headers, timeout=10)

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


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
