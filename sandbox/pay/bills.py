"""Make the daily trade bill (交易账单): payments on the day they succeeded, refunds on the day they were accepted."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from core.times import SHANGHAI, local
from sandbox.keys import sandbox_values
from sandbox.models import Refund, Trade, yuan_text
from sandbox.pay.describe import BANK
from sandbox.pay.errors import Reason, Refused

FEE_RATE = Decimal("0.006")
MADE_AT = time(10)  # of the next day
KEPT = timedelta(days=90)
TITLES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,"
    "订单金额,申请退款金额,费率备注"
)
SUM_TITLES = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_REFUND_STATES = {"ABNORMAL": "CHANGE", "CLOSED": "FAIL"}


def bill_text(bill_date: str, *, now: datetime) -> bytes:
    """Make the bill of a day."""
    begins = datetime.combine(_day(bill_date, now), time.min, SHANGHAI)
    day = (begins, begins + timedelta(days=1) - timedelta(microseconds=1))
    trades = list(Trade.objects.filter(paid_at__range=day).order_by("paid_at"))
    refunds = list(Refund.objects.select_related("trade").filter(created_at__range=day).order_by("created_at"))
    if not trades and not refunds:
        raise Refused(Reason.NO_BILL)
    income, back = sum(trade.total_fee for trade in trades), sum(refund.refund_fee for refund in refunds)
    fees = sum(fee_of(trade.total_fee) for trade in trades) - sum(fee_of(refund.refund_fee) for refund in refunds)
    money, zero = [yuan_text(income), yuan_text(back)], yuan_text(0)
    lines = [
        TITLES,
        *(_line(_cells(trade)) for trade in trades),
        *(_line(_cells(refund.trade, refund)) for refund in refunds),
        SUM_TITLES,
        _line([str(len(trades) + len(refunds)), *money, zero, _fee_text(fees), *money]),
    ]
    return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()


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


def _cells(trade: Trade, refund: Refund | None = None) -> list[str]:
    """Return the line of a payment, or of a refund, by ``TITLES``."""
    at = refund.created_at if refund else trade.paid_at
    assert at and trade.transaction_id
    paid, back = (0, refund.refund_fee) if refund else (trade.total_fee, 0)
    refunded = [refund.refund_id, refund.out_refund_no] if refund else ["0", "0"]
    kind = ["ORIGINAL", _REFUND_STATES.get(refund.state, refund.state)] if refund else ["", ""]
    return [
        *(f"{local(at):%Y-%m-%d %H:%M:%S}", trade.appid, sandbox_values()["WECHAT_PAY_MCH_ID"], "0", ""),
        *(trade.transaction_id, trade.out_trade_no, trade.openid, trade.trade_type, "REFUND" if refund else "SUCCESS"),
        *(BANK, "CNY", yuan_text(paid), yuan_text(0), *refunded, yuan_text(back), yuan_text(0), *kind),
        *(trade.body, trade.attach, _fee_text(fee_of(paid) - fee_of(back)), f"{FEE_RATE:.2%}"),
        *(yuan_text(paid), yuan_text(back), ""),
    ]


def fee_of(fen: int) -> int:
    """Return the provider's fee, rounded to the fen."""
    return int(fen * FEE_RATE + Decimal("0.5"))


def _fee_text(fen: int) -> str:
    """Return a fee as the bill writes it: yuan with five decimals."""
    return f"{Decimal(fen) / 100:.5f}"


def _line(cells: list[str]) -> str:
    return ",".join(f"`{cell}" for cell in cells)
