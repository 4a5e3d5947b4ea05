"""The provider's daily bill: read strictly, believed by its digest."""

import itertools
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from payments.errors import BillNotReady, ProviderDown, ProviderUntrusted, WeChatRefused
from payments.gateways.base import Bill
from payments.gateways.wechat import gateway_v2, gateway_v3, shared, v3
from payments.gateways.wechat.bill import read_bill
from payments.tests.fake_wechat import APPID, BEIJING, BILL_SUMS, BILL_TITLES, MCHID
from payments.tests.test_gateways import NUMBER, intent

pytestmark = pytest.mark.django_db  # the time is the database's
DAY = date(2026, 11, 20)
ROW = (
    f"`2026-11-20 10:11:12,`{APPID},`{MCHID},`0,`,`4200001,`20261120abc,`o1,`NATIVE,`SUCCESS,`OTHERS,`CNY,`12.34,`0.00,"
    "`0,`0,`0.00,`0.00,`,`,`可乐,`,`0.07000,`0.60%,`12.34,`0.00,`"
)
BACK = ROW.replace("SUCCESS", "REFUND").replace("`0,`0,`0.00", "`50001,`R1,`0.00", 1)
SUMS = "`1,`12.34,`0.00,`0.00,`0.07000,`12.34,`0.00"


@pytest.fixture
def sold(wechat):
    gateway_v2().create(intent())
    wechat.pay(NUMBER, at=datetime(2026, 11, 20, 23, 59, 59, tzinfo=BEIJING))


def text(*rows, titles=BILL_TITLES, sums=SUMS, count=None):
    sums = sums.replace("`1,", f"`{len(rows) if count is None else count},", 1)
    return "\n".join([titles, *rows, BILL_SUMS, sums, ""])


def read(bill, encoding="utf-8"):
    return read_bill(bill.encode(encoding), MCHID)


def test_a_day_on_which_nothing_moved_has_an_empty_bill_and_one_that_is_not_made_yet_has_none(wechat, sold):
    (row,) = gateway_v3().bill(DAY).rows
    assert (row.out_trade_no, row.bill_fen, row.bill_at.date()) == (NUMBER, 1234, DAY)
    assert gateway_v3().bill(DAY - timedelta(days=1)) == Bill(DAY - timedelta(days=1))
    wechat.faults = [("bill", "error", 400, "STATEMENT_CREATING")]

    with pytest.raises(BillNotReady):
        gateway_v3().bill(DAY)


def test_fees_are_read_with_all_their_decimals_and_those_of_a_refund_are_negative():
    back = BACK.replace("`0.07000", "`-0.00500")
    (row,) = read(text(ROW))
    assert (row.fee, row.rate) == (Decimal("0.07"), "0.60%") and "fee" not in row.difference_fields

    titles = BILL_TITLES.replace("手续费,费率", "别的,列")
    for bill, fen in (
        (text(ROW, back), 7),  # of 6.5
        (text(ROW.replace("`0.07000", "`")), None),
        (text(ROW, titles=titles), None),
    ):
        assert Bill(DAY, tuple(read(bill))).fee_fen == fen
    for wrong in ("`0.07元", "`--1", "`1e5", "`NaN"):
        with pytest.raises(ProviderUntrusted, match="a fee is malformed"):
            read(text(ROW.replace("`0.07000", wrong)))


@pytest.mark.parametrize(("fault", "error"), [
    (("bill", "change", {"hash_value": "0" * 40}), ProviderUntrusted),
    (("bill", "change", {"hash_type": "MD5"}), ProviderUntrusted),
    (("bill", "change", {"download_url": "https://evil.example/v3/elsewhere?token=1"}), ProviderUntrusted),
    # asked of our own base
    (("bill", "change", {"download_url": "https://evil.example/v3/billdownload/file?token=1"}), ProviderUntrusted),
    (("bill", "change", {"download_url": None}), ProviderUntrusted),
    (("bill", "bad_sign"), ProviderUntrusted), (("bill", "no_sign"), ProviderUntrusted),
    (("billdownload", "half"), ProviderUntrusted),
    (("bill", "down"), ProviderDown), (("billdownload", "down"), ProviderDown),
    (("billdownload", "page", 502), ProviderDown), (("bill", "error", 403, "NO_AUTH"), WeChatRefused),
])  # fmt: skip
def test_a_false_forged_or_torn_bill_is_not_believed(wechat, sold, fault, error):
    wechat.faults = [fault]

    with pytest.raises(error):
        gateway_v3().bill(DAY)


def test_a_bill_may_be_larger_than_other_answers_and_no_larger_than_its_own_limit(wechat, sold, monkeypatch):
    monkeypatch.setattr(shared, "MAX_BYTES", 700)
    assert len(gateway_v3().bill(DAY).rows) == 1

    monkeypatch.setattr(v3, "MAX_BILL_BYTES", 700)
    with pytest.raises(ProviderDown, match="too large"):
        gateway_v3().bill(DAY)


def test_columns_are_found_by_their_titles_and_goods_may_hold_what_separates_them():
    titles, cells = BILL_TITLES.split(","), ROW[1:].split(",`")
    turned = "`" + ",`".join(reversed([*cells, "new"]))

    for bill in (
        text(turned, titles=",".join(reversed([*titles, "新的一列"]))),
        text(ROW.replace("`可乐,", "`可乐,大瓶,`3 瓶,`,送,")),
        "\ufeff" + text(ROW).replace("\n", "\r\n"),
    ):
        (row,) = read(bill)
        assert (row.out_trade_no, row.bill_fen) == ("20261120abc", 1234)


@pytest.mark.parametrize(
    "bad",
    [
        *("", "<html>", BILL_TITLES),
        text(ROW, titles=BILL_TITLES.replace("订单金额,申请", "金额,申请")),
        text(ROW, titles=BILL_TITLES.replace("设备号", "商户号")),
        *(text(ROW, count=2), text(ROW, count=0), text(ROW, sums="`x,`12.34"), text(ROW, ROW), text(ROW[1:])),
        text(ROW.rsplit(",`", 1)[0]),
        *(text(ROW.replace(MCHID, "1900000109")), text(ROW.replace("CNY", "USD"))),
        text(ROW.replace("`SUCCESS", "`HAPPY")),
        *(text(ROW.replace("`12.34,`0.00,`", f"`{fen},`0.00,`")) for fen in ("12.345", "-12.34", "１２.34")),
        text(ROW.replace("2026-11-20", "2026-13-20")),
        *(text(ROW.replace("`4200001", "`4200 001")), text(ROW.replace("`4200001", "`"))),
        *(text(ROW.replace("`SUCCESS", "`REFUND")), text(ROW) + ROW),  # a refund without a number; more after the sums
        *(text(ROW.replace(APPID, "w" * 33)), text(BACK.replace("`,`,`可乐", f"`,`{'S' * 17},`可乐"))),  # not storable
    ],
    ids=itertools.count(),
)
def test_what_is_not_as_documented_is_refused_whole(bad):
    with pytest.raises(ProviderUntrusted):
        read(bad)


def test_a_bill_in_another_encoding_is_refused():
    with pytest.raises(ProviderUntrusted, match="UTF-8"):
        read(text(ROW), "gbk")
