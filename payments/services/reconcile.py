"""The sweep that settles what notifications missed."""

from datetime import datetime

import structlog
from django.db import transaction

from payments.errors import PaymentError
from payments.gateways.base import GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_to_ask
from payments.models import Payment
from payments.services.common import payee
from payments.services.record import payment_record
from payments.services.sweep import BATCH, GIVE_UP_AFTER, check_due, in_a_sweep, is_silence

log = structlog.get_logger("payments")


def payments_reconcile(*, now: datetime, limit: int = BATCH) -> int:
    """Ask the provider about the payments that are due; answer how many were asked about.

    Any number of sweeps may run side by side: each takes a payment's turn before it asks. Closed payments stay due
    for a day: money that comes late is found here if no notification tells.
    """
    silent = asked = 0
    for payment in in_a_sweep(_due(now, limit)):
        if not _take_turn(payment, now):
            continue
        asked += 1
        silent += is_silence(_reconcile_quietly(payment, now))
        if silent >= GIVE_UP_AFTER:
            break
    return asked


def _due(now: datetime, limit: int) -> list[Payment]:
    return list(Payment.objects.filter(next_check_at__lte=now).order_by("next_check_at")[:limit])


def _take_turn(payment: Payment, now: datetime) -> bool:
    """Move the next check of this one payment on; the rest of the batch stays due until it is their turn.

    A row that somebody holds is passed over, for it is being settled this very moment.
    """
    with transaction.atomic():
        mine = Payment.objects.select_for_update(skip_locked=True, no_key=True)
        if not mine.filter(pk=payment.pk, next_check_at=payment.next_check_at).exists():
            return False
        due = check_due(payment, now)
        Payment.objects.filter(pk=payment.pk).update(next_check_at=due, last_query_at=now)
        return True


def _reconcile_quietly(payment: Payment, now: datetime) -> GatewayError | None:
    try:
        return _reconcile(payment, now)
    except Exception:  # a row that another transaction holds too long, say, must not cost the others their turn
        log.exception("payment does not reconcile", out_trade_no=payment.out_trade_no)
        return None


def _reconcile(payment: Payment, now: datetime) -> GatewayError | None:
    """Answer the error if the provider did not say anything."""
    try:
        result = gateway_to_ask(payee(payment)).query(payment.out_trade_no)
        payment_record(result=result, now=now, source="reconcile")
    except OrderUnknown:
        return None  # the order was never placed there; its expiry closes it
    except PaymentError as error:
        log.error("payment does not reconcile", out_trade_no=payment.out_trade_no, reason=error.msg)
    except GatewayError as error:
        log.warning("payment not asked about", out_trade_no=payment.out_trade_no, reason=str(error))
        return error
    return None
