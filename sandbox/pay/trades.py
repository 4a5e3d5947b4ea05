"""Orders and refunds as WeChat Pay keeps them: placed, found, closed, paid, refunded.

Both APIs and the phone page use these functions.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.crypto import get_random_string

from core.ids import storable
from core.times import local
from sandbox.faults import faults_on
from sandbox.models import FaultKind, Refund, RefundState, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.notices import payment_notices_create, refund_notices_create

# WeChat documents one minute, but the live service refuses less than five.
MIN_TIME_TO_PAY = timedelta(minutes=5)
PAYER = "oSandboxPayer00000000000001"
REFUNDS_APART = timedelta(minutes=1)  # those of one order
SETTLES_AFTER = timedelta(seconds=3)  # the real provider takes minutes to days


def trade_place(draft: Trade, *, now: datetime) -> Trade:
    """Save an order. One that is there already, with equal parameters, keeps its deadline and gets a code anew."""
    draft.created_at = now
    with transaction.atomic():
        Trade.objects.bulk_create([draft], ignore_conflicts=True)
        trade = _locked_open(draft.out_trade_no)
        if trade.fingerprint != draft.fingerprint:
            raise Refused(Reason.NUMBER_USED)
        # The deadline of an order placed again may be near by now. A refusal takes the new row back.
        if trade.expires_at - trade.created_at < MIN_TIME_TO_PAY:
            raise Refused(Reason.TIME_EXPIRE)
        trade.placed_at = now
        trade.save(update_fields=["placed_at"])
    return trade


def trade_find(*, lock: bool = False, **number: str) -> Trade:
    """Find an order by ``out_trade_no`` or ``transaction_id``; with ``lock`` for the rest of the transaction."""
    trades = Trade.objects.select_for_update() if lock else Trade.objects.all()
    trade = trades.filter(**number).first()
    if trade is None:
        raise Refused(Reason.ORDER_UNKNOWN)
    return trade


def trade_scanned(*, code_url: str = "", prepay_id: str = "", out_trade_no: str = "") -> Trade | None:
    """Find an order by the text of its QR code, by its prepay_id, or by its number."""
    if code_url:
        return Trade.objects.filter(token=storable(code_url.rpartition("?pr=")[2])).first()
    if prepay_id:
        return Trade.objects.filter(prepay_id=storable(prepay_id)).first()
    return Trade.objects.filter(out_trade_no=storable(out_trade_no)).first()


def trade_close(out_trade_no: str) -> None:
    """Close an unpaid order."""
    with transaction.atomic():
        trade = _locked_open(out_trade_no)
        trade.state = TradeState.CLOSED
        trade.save(update_fields=["state"])


def trade_pay(trade: Trade, *, payer: str = "", now: datetime) -> Trade:
    """Pay an order, as the phone's owner (by the openid; "": nobody known) does. The commit notifies the merchant."""
    with transaction.atomic():
        trade = trade_find(out_trade_no=trade.out_trade_no, lock=True)
        if reason := pay_refusal(trade, now=now):
            raise Refused(reason)
        trade.state, trade.paid_at = TradeState.SUCCESS, now
        trade.transaction_id = _number("4200", now)
        trade.openid = trade.openid or payer or PAYER
        trade.save(update_fields=["state", "paid_at", "transaction_id", "openid"])
        payment_notices_create(trade=trade, now=now)
    return trade


def pay_refusal(trade: Trade, *, now: datetime) -> Reason | None:
    """Return why an order cannot be paid, or None if it can."""
    if trade.is_paid:
        return Reason.ORDER_PAID
    if FaultKind.PAY_AFTER_EXPIRY in faults_on(trade):
        return None
    if trade.state == TradeState.CLOSED:
        return Reason.ORDER_CLOSED
    return Reason.EXPIRED if now >= trade.payable_until else None


def _locked_open(out_trade_no: str) -> Trade:
    trade = trade_find(out_trade_no=out_trade_no, lock=True)
    if trade.is_paid:
        raise Refused(Reason.ORDER_PAID)
    if trade.state == TradeState.CLOSED:
        raise Refused(Reason.ORDER_CLOSED)
    return trade


def _number(prefix: str, now: datetime) -> str:
    """Return a number as WeChat makes them: 28 digits, with the day in the middle."""
    digits = get_random_string(20 - len(prefix), "0123456789")
    return f"{prefix}{digits[:6]}{local(now):%Y%m%d}{digits[6:]}"


def refund_create(draft: Refund, *, total_fee: int, now: datetime) -> Refund:
    """Accept a refund. A known number with the same amounts returns the refund that exists."""
    draft.created_at, draft.settles_at, draft.refund_id = now, now + SETTLES_AFTER, _number("503", now)
    faults = faults_on(draft.trade)
    if FaultKind.REFUND_CLOSED in faults:
        draft.outcome = RefundState.CLOSED
    elif FaultKind.REFUND_ABNORMAL in faults:
        draft.outcome = RefundState.ABNORMAL
    with transaction.atomic():
        trade = trade_find(out_trade_no=draft.trade.out_trade_no, lock=True)
        refund = Refund.objects.filter(out_refund_no=draft.out_refund_no).select_related("trade").first() or draft
        if (refund.trade_id, refund.refund_fee, trade.total_fee) != (trade.pk, draft.refund_fee, total_fee):
            raise Refused(Reason.NUMBER_REFUNDED)
        if refund is draft:
            _check_room(trade, draft)
            draft.save()
            refund_notices_create(refund=draft, now=now)
            Trade.objects.filter(pk=trade.pk).update(state=TradeState.REFUND)
        return refund


def _check_room(trade: Trade, draft: Refund) -> None:
    """Check that so much of the order may be refunded now."""
    if not trade.is_paid:
        raise Refused(Reason.NOT_PAID)
    if trade.refunds.filter(created_at__gt=draft.created_at - REFUNDS_APART).exists():
        raise Refused(Reason.REFUND_TOO_SOON)
    failed = Q(outcome=RefundState.CLOSED, settles_at__lte=draft.created_at)
    sums = trade.refunds.exclude(failed).aggregate(fen=Sum("refund_fee", default=0))
    if sums["fen"] + draft.refund_fee > trade.total_fee:
        raise Refused(Reason.REFUND_TOO_MUCH)
