"""Create, find, close and pay an order, as WeChat Pay does. Both APIs and the phone page use these functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from sandbox.faults import faults_on
from sandbox.models import FaultKind, PayCode, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.notices import payment_notices_create
from sandbox.pay.numbers import base62, prepay_number, transaction_number

CODE_TTL = timedelta(hours=2)  # how long a code_url or prepay_id works
PAYABLE_FOR = timedelta(days=7)  # how long an order without time_expire can be paid
PAYER = "oSandboxPayer00000000000001"


@dataclass(frozen=True, kw_only=True)
class NewTrade:
    """A checked order; amounts in fen."""

    out_trade_no: str
    trade_type: str
    body: str
    attach: str
    total_fee: int
    notify_url: str
    expires_at: datetime | None
    fingerprint: str
    openid: str = ""
    sign_type: str = "MD5"


def trade_create(*, new: NewTrade, now: datetime) -> PayCode:
    """Create an order and return its code. An order placed again with equal parameters gets a new code.

    :raises Refused: ORDER_PAID, ORDER_CLOSED, NUMBER_USED.
    """
    fields = dict(vars(new))
    fields["expires_at"] = new.expires_at or now + PAYABLE_FOR
    with transaction.atomic():
        trade, _ = Trade.objects.select_for_update().get_or_create(
            out_trade_no=fields.pop("out_trade_no"), defaults={**fields, "created_at": now}
        )
        if trade.is_paid:
            raise Refused(Reason.ORDER_PAID)
        if trade.state == TradeState.CLOSED:
            raise Refused(Reason.ORDER_CLOSED)
        if trade.fingerprint != new.fingerprint:
            raise Refused(Reason.NUMBER_USED)
        return PayCode.objects.create(
            trade=trade, token=base62(7) + "zz", prepay_id=prepay_number(now), expires_at=now + CODE_TTL
        )


def trade_find(*, out_trade_no: str = "", transaction_id: str = "") -> Trade:
    """Find an order by the provider's number, or, if that is empty, by the merchant's.

    :raises Refused: ORDER_UNKNOWN.
    """
    number = {"transaction_id": transaction_id} if transaction_id else {"out_trade_no": out_trade_no}
    trade = Trade.objects.filter(**number).first()
    if trade is None:
        raise Refused(Reason.ORDER_UNKNOWN)
    return trade


def trade_close(*, out_trade_no: str, now: datetime) -> None:
    """Close an unpaid order.

    :raises Refused: ORDER_UNKNOWN, ORDER_PAID, ORDER_CLOSED.
    """
    with transaction.atomic():
        trade = _lock(trade_find(out_trade_no=out_trade_no))
        if trade.is_paid:
            raise Refused(Reason.ORDER_PAID)
        if trade.state == TradeState.CLOSED:
            raise Refused(Reason.ORDER_CLOSED)
        trade.state, trade.closed_at = TradeState.CLOSED, now
        trade.save(update_fields=["state", "closed_at"])


def trade_pay(*, code: PayCode, now: datetime) -> Trade:
    """Pay an order, as the phone's owner does. The merchant is notified after the commit.

    :raises Refused: ORDER_PAID, ORDER_CLOSED, EXPIRED.
    """
    with transaction.atomic():
        trade = _lock(code.trade)
        if reason := pay_refusal(trade=trade, code=code, now=now):
            raise Refused(reason)
        trade.state, trade.paid_at = TradeState.SUCCESS, now
        trade.transaction_id = transaction_number(now)
        trade.openid = trade.openid or PAYER
        trade.save(update_fields=["state", "paid_at", "transaction_id", "openid"])
        payment_notices_create(trade=trade, now=now)
    return trade


def pay_refusal(*, trade: Trade, code: PayCode, now: datetime) -> Reason | None:
    """Return why the code cannot be paid, or None if it can."""
    if trade.is_paid:
        return Reason.ORDER_PAID
    if FaultKind.PAY_AFTER_EXPIRY in faults_on(trade):
        return None
    if trade.state == TradeState.CLOSED:
        return Reason.ORDER_CLOSED
    return Reason.EXPIRED if now >= min(code.expires_at, trade.expires_at) else None


def _lock(trade: Trade) -> Trade:
    return Trade.objects.select_for_update().get(pk=trade.pk)
