"""Create, find, close and pay an order, as WeChat Pay does. Both APIs and the phone page use these functions."""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.crypto import get_random_string

from core.times import local
from sandbox.faults import faults_on
from sandbox.models import FaultKind, PayCode, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.notices import payment_notices_create

CODE_TTL = timedelta(hours=2)  # how long a code_url or prepay_id works
# WeChat documents one minute, but the live service refuses less than five.
MIN_TIME_TO_PAY = timedelta(minutes=5)
PAYER = "oSandboxPayer00000000000001"


def trade_create(*, draft: Trade, now: datetime) -> PayCode:
    """Save an order and return its code. An order placed again with equal parameters gets a new code.

    :raises Refused: ORDER_PAID, ORDER_CLOSED, NUMBER_USED, TIME_EXPIRE.
    """
    draft.created_at = now
    with transaction.atomic():
        Trade.objects.bulk_create([draft], ignore_conflicts=True)
        trade = Trade.objects.select_for_update().get(out_trade_no=draft.out_trade_no)
        _require_open(trade)
        if trade.fingerprint != draft.fingerprint:
            raise Refused(Reason.NUMBER_USED)
        # An order that is placed again keeps its deadline, which may be near by now. A refusal takes the new row back.
        if trade.expires_at - trade.created_at < MIN_TIME_TO_PAY:
            raise Refused(Reason.TIME_EXPIRE)
        return PayCode.objects.create(
            trade=trade,
            token=get_random_string(7) + "zz",
            prepay_id=f"wx{local(now):%d%H%M%S}{secrets.token_hex(11)}0000",
            expires_at=now + CODE_TTL,
        )


def trade_find(**number: str) -> Trade:
    """Find an order by ``out_trade_no`` or ``transaction_id``.

    :raises Refused: ORDER_UNKNOWN.
    """
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
        _require_open(trade)
        trade.state, trade.closed_at = TradeState.CLOSED, now
        trade.save(update_fields=["state", "closed_at"])


def trade_pay(*, code: PayCode, payer: str = "", now: datetime) -> Trade:
    """Pay an order, as the phone's owner does. The merchant is notified after the commit.

    :param payer: the openid of who pays; "" for somebody who is not known.
    :raises Refused: ORDER_PAID, ORDER_CLOSED, EXPIRED.
    """
    with transaction.atomic():
        trade = _lock(code.trade)
        if reason := pay_refusal(trade=trade, code=code, now=now):
            raise Refused(reason)
        trade.state, trade.paid_at = TradeState.SUCCESS, now
        digits = get_random_string(16, "0123456789")
        trade.transaction_id = f"4200{digits[:6]}{local(now):%Y%m%d}{digits[6:]}"
        trade.openid = trade.openid or payer or PAYER
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


def _require_open(trade: Trade) -> None:
    if trade.is_paid:
        raise Refused(Reason.ORDER_PAID)
    if trade.state == TradeState.CLOSED:
        raise Refused(Reason.ORDER_CLOSED)


def _lock(trade: Trade) -> Trade:
    return Trade.objects.select_for_update().get(pk=trade.pk)
