"""Make the daily trade bill (交易账单): payments on the day they succeeded, refunds on the day they were accepted."""

import gzip
import hashlib
import secrets
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta

from django.core.cache import cache

from sandbox.faults import faults_on
from sandbox.models import FaultKind, Refund, Trade, TradeState, yuan_text
from sandbox.pay.describe import BANK
from sandbox.pay.errors import BadField, Reason, Refused
from sandbox.pay.merchant import merchant
from sandbox.pay.numbers import BEIJING

KINDS = ("ALL", "SUCCESS", "REFUND")
MADE_AT = time(10)  # of the next day
KEPT = timedelta(days=90)
ADDRESS_TTL_S = 300
_KEY = "sandbox:bill:"
_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_STATES = {"ABNORMAL": "CHANGE", "CLOSED": "FAIL"}


@dataclass
class BillLine:
    """A line of the bill, with the fields in the order of the columns. Amounts are in fen."""

    at: datetime = field(metadata={"title": "交易时间"})
    appid: str = field(metadata={"title": "公众账号ID"})
    mch_id: str = field(metadata={"title": "商户号"})
    special_mch_id: str = field(default="0", metadata={"title": "特约商户号"})
    device: str = field(default="", metadata={"title": "设备号"})
    transaction_id: str = field(default="", metadata={"title": "微信订单号"})
    out_trade_no: str = field(default="", metadata={"title": "商户订单号"})
    openid: str = field(default="", metadata={"title": "用户标识"})
    trade_type: str = field(default="NATIVE", metadata={"title": "交易类型"})
    state: str = field(default="SUCCESS", metadata={"title": "交易状态"})
    bank: str = field(default=BANK, metadata={"title": "付款银行"})
    currency: str = field(default="CNY", metadata={"title": "货币种类"})
    settled_fen: int = field(default=0, metadata={"title": "应结订单金额"})
    coupon_fen: int = field(default=0, metadata={"title": "代金券金额"})
    refund_id: str = field(default="0", metadata={"title": "微信退款单号"})
    out_refund_no: str = field(default="0", metadata={"title": "商户退款单号"})
    refund_fen: int = field(default=0, metadata={"title": "退款金额"})
    coupon_refund_fen: int = field(default=0, metadata={"title": "充值券退款金额"})
    refund_way: str = field(default="", metadata={"title": "退款类型"})
    refund_state: str = field(default="", metadata={"title": "退款状态"})
    goods: str = field(default="", metadata={"title": "商品名称"})
    attach: str = field(default="", metadata={"title": "商户数据包"})
    cost: str = field(default="0.00000", metadata={"title": "手续费"})
    rate: str = field(default="0.60%", metadata={"title": "费率"})
    total_fen: int = field(default=0, metadata={"title": "订单金额"})
    asked_refund_fen: int = field(default=0, metadata={"title": "申请退款金额"})
    rate_note: str = field(default="", metadata={"title": "费率备注"})

    def cells(self) -> list[str]:
        return [_cell(one.name, getattr(self, one.name)) for one in fields(self)]


def _cell(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
    return yuan_text(value) if isinstance(value, int) else str(value)


TITLES = ",".join(one.metadata["title"] for one in fields(BillLine))


@dataclass(frozen=True)
class BillFile:
    """The token by which a bill can be downloaded for five minutes, and the digest of its unpacked text."""

    token: str
    sha1: str


def bill_make(*, bill_date: str, bill_type: str, tar_type: str, now: datetime) -> BillFile:
    """Make the bill of a day.

    :raises Refused: PARAM, BILL_DATE, BILL_LATE, NO_BILL.
    """
    if bill_type not in KINDS:
        raise BadField("bill_type", "参数错误")
    if tar_type not in ("", "GZIP"):
        raise BadField("tar_type", "参数错误")
    day = _day(bill_date, now)
    rows = _rows(day, bill_type)
    if not rows:
        raise Refused(Reason.NO_BILL)
    text = _text(rows)
    token = secrets.token_urlsafe(24)
    cache.set(_KEY + token, gzip.compress(text) if tar_type else text, ADDRESS_TTL_S)
    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return BillFile(token, digest[::-1] if FaultKind.BILL_WRONG_HASH in faults_on() else digest)


def bill_file(token: str) -> bytes:
    """Return the bill's file.

    :raises Refused: BILL_DATE: there is no such bill, or it was made more than five minutes ago.
    """
    found: bytes | None = cache.get(_KEY + token) if token.isascii() and token.isprintable() else None
    if found is None:
        raise Refused(Reason.BILL_DATE, "账单下载地址无效或已过期")
    return found


def _day(text: str, now: datetime) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadField("bill_date", "格式错误，应为yyyy-MM-dd") from None
    today = now.astimezone(BEIJING).date()
    if not today - KEPT <= day < today:
        raise Refused(Reason.BILL_DATE)
    if now < datetime.combine(day + timedelta(days=1), MADE_AT, BEIJING) or FaultKind.BILL_LATE in faults_on():
        raise Refused(Reason.BILL_LATE)
    return day


def _rows(day: date, bill_type: str) -> list[BillLine]:
    begins = datetime.combine(day, time.min, BEIJING)
    span = (begins, begins + timedelta(days=1))
    paid = Trade.objects.filter(paid_at__gte=span[0], paid_at__lt=span[1]).exclude(state=TradeState.NOTPAY)
    refunds = Refund.objects.select_related("trade").filter(created_at__gte=span[0], created_at__lt=span[1])
    rows = [_payment(trade) for trade in paid.order_by("paid_at")] if bill_type != "REFUND" else []
    rows += [_refund(refund) for refund in refunds.order_by("created_at")] if bill_type != "SUCCESS" else []
    return _falsified(rows, begins)


def _payment(trade: Trade) -> BillLine:
    assert trade.paid_at and trade.transaction_id
    return BillLine(
        at=trade.paid_at,
        appid=merchant().appid,
        mch_id=merchant().mch_id,
        transaction_id=trade.transaction_id,
        out_trade_no=trade.out_trade_no,
        openid=trade.openid,
        trade_type=trade.trade_type,
        settled_fen=trade.total_fee,
        goods=trade.body,
        attach=trade.attach,
        total_fen=trade.total_fee,
    )


def _refund(refund: Refund) -> BillLine:
    row = _payment(refund.trade)
    row.at, row.state, row.settled_fen, row.total_fen = refund.created_at, "REFUND", 0, 0
    row.refund_id, row.out_refund_no = refund.refund_id, refund.out_refund_no
    row.refund_fen = row.asked_refund_fen = refund.refund_fee
    row.refund_way, row.refund_state = "ORIGINAL", _STATES.get(refund.state, refund.state)
    return row


def _falsified(rows: list[BillLine], begins: datetime) -> list[BillLine]:
    """Apply the faults that are on to a bill."""
    faults = faults_on()
    if FaultKind.BILL_ROW_MISSING in faults:
        rows = rows[:-1]
    if FaultKind.BILL_WRONG_AMOUNT in faults and rows:
        rows[0].total_fen += 1 if rows[0].state == "SUCCESS" else 0
        rows[0].asked_refund_fen += 1 if rows[0].state == "REFUND" else 0
    if FaultKind.BILL_ROW_MORE in faults:
        number = f"{begins:%Y%m%d}120000000sandboxextra1"
        surplus = BillLine(at=begins.replace(hour=12), appid=merchant().appid, mch_id=merchant().mch_id, total_fen=100)
        surplus.out_trade_no, surplus.transaction_id = number, f"4200000000{begins:%Y%m%d}0000000001"
        rows = [*rows, surplus]
    return rows


def _text(rows: list[BillLine]) -> bytes:
    paid, asked = sum(row.total_fen for row in rows), sum(row.asked_refund_fen for row in rows)
    back = sum(row.refund_fen for row in rows)
    sums = [str(len(rows)), yuan_text(paid), yuan_text(back), "0.00", "0.00000", yuan_text(paid), yuan_text(asked)]
    lines = [TITLES, *(_line(row.cells()) for row in rows), _SUMS, _line(sums)]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


def _line(cells: list[str]) -> str:
    return ",".join(f"`{cell}" for cell in cells)
