"""Orders and refunds as WeChat Pay keeps them: created, found, closed, paid, refunded.

Both APIs and the phone page use these functions. A refund is accepted at once and settled a little later.
"""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.crypto import get_random_string

from core.times import local
from sandbox.faults import faults_on
from sandbox.models import FaultKind, PayCode, Refund, RefundState, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.notices import payment_notices_create, refund_notices_create

CODE_TTL = timedelta(hours=2)  # how long a code_url or prepay_id works
# WeChat documents one minute, but the live service refuses less than five.
MIN_TIME_TO_PAY = timedelta(minutes=5)
PAYER = "oSandboxPayer00000000000001"
SETTLES_AFTER = timedelta(seconds=3)  # the real provider takes minutes to days
BATCH = 50


def trade_create(*, draft: Trade, now: datetime) -> PayCode:
    """Save an order and return its code. An order placed again with equal parameters gets a new code."""
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
    """Find an order by ``out_trade_no`` or ``transaction_id``."""
    trade = Trade.objects.filter(**number).first()
    if trade is None:
        raise Refused(Reason.ORDER_UNKNOWN)
    return trade


def trade_close(*, out_trade_no: str, now: datetime) -> None:
    """Close an unpaid order."""
    with transaction.atomic():
        trade = _lock(trade_find(out_trade_no=out_trade_no))
        _require_open(trade)
        trade.state, trade.closed_at = TradeState.CLOSED, now
        trade.save(update_fields=["state", "closed_at"])


def trade_pay(*, code: PayCode, payer: str = "", now: datetime) -> Trade:
    """Pay an order, as the phone's owner (by the openid; "": nobody known) does. The commit notifies the merchant."""
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


def refund_create(*, draft: Refund, total_fee: int, now: datetime) -> Refund:
    """Accept a refund. A known number with the same amounts returns the refund that exists."""
    draft.created_at, draft.settles_at = now, now + SETTLES_AFTER
    digits = get_random_string(18, "0123456789")
    draft.refund_id = f"503{digits[:8]}{local(now):%Y%m%d}{digits[8:]}"
    with transaction.atomic():
        trade = _lock(draft.trade)
        refund = Refund.objects.filter(out_refund_no=draft.out_refund_no).select_related("trade").first() or draft
        if (refund.trade_id, refund.refund_fee, trade.total_fee) != (trade.pk, draft.refund_fee, total_fee):
            raise Refused(Reason.NUMBER_REFUNDED)
        if refund is draft:
            _check_room(trade, draft.refund_fee)
            draft.save()
            Trade.objects.filter(pk=trade.pk).update(state=TradeState.REFUND)
        return refund


def refunds_settle(*, now: datetime, refunds: QuerySet[Refund] | None = None) -> int:
    """Settle the refunds that are due (all, or those in ``refunds``). Return how many. Each one notifies once."""
    rows = Refund.objects.filter(state=RefundState.PROCESSING, settles_at__lte=now).order_by("settles_at")
    if refunds is not None:
        rows = rows.filter(pk__in=refunds.order_by().values("pk"))
    return sum(_settle(pk, now) for pk in rows.values_list("pk", flat=True)[:BATCH])


def _settle(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        refund = Refund.objects.select_related("trade").select_for_update(of=["self"]).get(pk=pk)
        if refund.state != RefundState.PROCESSING:  # another sweep was faster
            return False
        refund.state, refund.settled_at = _outcome(refund), now
        refund.save(update_fields=["state", "settled_at"])
        refund_notices_create(refund=refund, now=now)
        return True


def _outcome(refund: Refund) -> RefundState:
    """Return the state a refund ends in."""
    faults = faults_on(refund.trade)
    if FaultKind.REFUND_CLOSED in faults:
        return RefundState.CLOSED
    return RefundState.ABNORMAL if FaultKind.REFUND_ABNORMAL in faults else RefundState.SUCCESS


def _check_room(trade: Trade, fen: int) -> None:
    """Check that ``fen`` of the order may be refunded."""
    if not trade.is_paid:
        raise Refused(Reason.NOT_PAID)
    sums = trade.refunds.exclude(state=RefundState.CLOSED).aggregate(fen=Sum("refund_fee", default=0))
    if sums["fen"] + fen > trade.total_fee:
        raise Refused(Reason.REFUND_TOO_MUCH)
