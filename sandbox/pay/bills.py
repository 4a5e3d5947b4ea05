"""Make the daily trade bill (交易账单): payments on the day they succeeded, refunds on the day they were accepted."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from core.times import SHANGHAI, local
from sandbox.keys import sandbox_values
from sandbox.models import Refund, Trade, TradeState, yuan_text
from sandbox.pay.describe import BANK, trade_appid
from sandbox.pay.errors import Reason, Refused

FEE_RATE = "0.60%"
MADE_AT = time(10)  # of the next day
KEPT = timedelta(days=90)
_HEAD = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,"
    "订单金额,申请退款金额,费率备注"
)
TITLES = _HEAD.split(",")
_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_STATES = {"ABNORMAL": "CHANGE", "CLOSED": "FAIL"}
Row = dict[str, str | int]  # by title; amounts are in fen


def bill_text(*, bill_date: str, now: datetime) -> bytes:
    """Make the bill of a day."""
    begins = datetime.combine(_day(bill_date, now), time.min, SHANGHAI)
    rows = _rows(begins, begins + timedelta(days=1))
    if not rows:
        raise Refused(Reason.NO_BILL)
    return _text(rows)


def _day(text: str, now: datetime) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refused(Reason.PARAM, "bill_date格式错误，应为yyyy-MM-dd") from None
    today = local(now).date()
    if not today - KEPT <= day < today:
        raise Refused(Reason.BILL_DATE)
    if now < datetime.combine(day + timedelta(days=1), MADE_AT, SHANGHAI):
        raise Refused(Reason.BILL_LATE)
    return day


def _rows(begins: datetime, ends: datetime) -> list[Row]:
    trades = Trade.objects.filter(paid_at__gte=begins, paid_at__lt=ends).exclude(state=TradeState.NOTPAY)
    refunds = Refund.objects.select_related("trade").filter(created_at__gte=begins, created_at__lt=ends)
    rows = [_payment(trade) for trade in trades.order_by("paid_at")]
    return rows + [_refund(refund) for refund in refunds.order_by("created_at")]


def _payment(trade: Trade) -> Row:
    assert trade.paid_at and trade.transaction_id
    row: Row = dict.fromkeys(TITLES, "")
    row |= dict.fromkeys(("代金券金额", "退款金额", "充值券退款金额", "申请退款金额"), 0)
    return row | {
        "交易时间": _time(trade.paid_at),
        "公众账号ID": trade_appid(trade),
        "商户号": sandbox_values()["WECHAT_PAY_MCH_ID"],
        "特约商户号": "0",
        "微信订单号": trade.transaction_id,
        "商户订单号": trade.out_trade_no,
        "用户标识": trade.openid,
        "交易类型": trade.trade_type,
        "交易状态": "SUCCESS",
        "付款银行": BANK,
        "货币种类": "CNY",
        "应结订单金额": trade.total_fee,
        "微信退款单号": "0",
        "商户退款单号": "0",
        "商品名称": trade.body,
        "商户数据包": trade.attach,
        "手续费": _fee_text(trade.total_fee),
        "费率": FEE_RATE,
        "订单金额": trade.total_fee,
    }


def _refund(refund: Refund) -> Row:
    return _payment(refund.trade) | {
        "交易时间": _time(refund.created_at),
        "交易状态": "REFUND",
        "应结订单金额": 0,
        "微信退款单号": refund.refund_id,
        "商户退款单号": refund.out_refund_no,
        "退款金额": refund.refund_fee,
        "退款类型": "ORIGINAL",
        "退款状态": _STATES.get(refund.state, refund.state),
        "手续费": "-" + _fee_text(refund.refund_fee),
        "订单金额": 0,
        "申请退款金额": refund.refund_fee,
    }


def fee_of(fen: int) -> int:
    """Return 0.6 %, rounded to the fen."""
    return (fen * 6 + 500) // 1000


def _fee_text(fen: int) -> str:
    """Return the fee as the bill writes it: yuan with five decimals."""
    return f"{yuan_text(fee_of(fen))}000"


def _time(moment: datetime) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M:%S}"


def _sum(rows: list[Row], title: str) -> int:
    return sum(int(row[title]) for row in rows)


def _text(rows: list[Row]) -> bytes:
    income, back, claims = (_sum(rows, title) for title in ("订单金额", "退款金额", "申请退款金额"))
    fees = sum(Decimal(str(row["手续费"])) for row in rows)
    sums: list[str | int] = [str(len(rows)), income, back, 0, f"{fees:.5f}", income, claims]
    lines = [_HEAD, *(_line([row[title] for title in TITLES]) for row in rows), _SUMS, _line(sums)]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


def _line(cells: list[str | int]) -> str:
    return ",".join(f"`{yuan_text(cell) if isinstance(cell, int) else cell}" for cell in cells)
