"""The sweep that asks the provider about payments of which no notification came."""

from datetime import datetime

import structlog
from django.db import transaction

from core.observe import tracing
from payments.errors import PaymentError
from payments.gateways.base import GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_to_ask
from payments.models import Payment
from payments.services.common import BATCH, GIVE_UP_AFTER, check_due, in_a_sweep, is_silence, payee
from payments.services.confirm import payment_record

log = structlog.get_logger("payments")


def payments_reconcile(*, now: datetime, limit: int = BATCH) -> int:
    """Ask the provider about the payments that are due; return how many were asked about.

    Any number of sweeps may run at once: each claims a payment before it asks. Closed payments stay due for a day,
    so that late money is found although its notification was lost.
    """
    silent = asked = 0
    for payment in in_a_sweep(_due(now, limit)):
        if not _claim(payment, now):
            continue
        asked += 1
        silent += is_silence(_reconcile_or_log(payment, now))
        if silent >= GIVE_UP_AFTER:
            break
    return asked


def _due(now: datetime, limit: int) -> list[Payment]:
    return list(Payment.objects.filter(next_check_at__lte=now).order_by("next_check_at")[:limit])


def _claim(payment: Payment, now: datetime) -> bool:
    """Claim one payment by moving its next check; return whether this sweep got it. The rest of the batch stays due.

    A locked row is skipped: another transaction is recording its state now.
    """
    with transaction.atomic():
        mine = Payment.objects.select_for_update(skip_locked=True, no_key=True)
        if not mine.filter(pk=payment.pk, next_check_at=payment.next_check_at).exists():
            return False
        due = check_due(payment, now)
        Payment.objects.filter(pk=payment.pk).update(next_check_at=due, last_query_at=now)
        return True


def _reconcile_or_log(payment: Payment, now: datetime) -> GatewayError | None:
    try:
        return _reconcile(payment, now)
    except Exception:  # one payment that fails (its row is locked too long, say) must not stop the others
        log.exception("payment does not reconcile", out_trade_no=payment.out_trade_no)
        return None


def _reconcile(payment: Payment, now: datetime) -> GatewayError | None:
    """Ask about one payment and record the answer; return the error if there was no answer."""
    tracing.about(order=payment.out_trade_no)
    try:
        result = gateway_to_ask(payee(payment)).query(payment.out_trade_no)
        payment_record(result=result, now=now, source="reconcile")
    except OrderUnknown:
        return None  # the order was never placed there; it closes when it expires
    except PaymentError as error:
        log.error("payment does not reconcile", out_trade_no=payment.out_trade_no, reason=error.msg)
    except GatewayError as error:
        log.warning("payment not asked about", out_trade_no=payment.out_trade_no, reason=str(error))
        return error
    return None
