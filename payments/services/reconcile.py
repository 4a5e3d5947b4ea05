"""The sweep that settles what notifications missed."""

from datetime import datetime

import structlog
from django.db import transaction

from core.db.locks import alone
from payments.errors import PaymentError
from payments.gateways.base import GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_to_ask
from payments.models import Payment
from payments.services.provider import BATCH, GIVE_UP_AFTER, check_due, is_silence
from payments.services.settle import payment_settle

log = structlog.get_logger("payments")
_SWEEP_LOCK = 0x70617901


def payments_reconcile(*, now: datetime, limit: int = BATCH) -> int:
    """Ask the provider about the payments that are due; answer how many were asked about. One sweep at a time.

    Closed ones stay due for a day: money that comes late is found here if no notification tells.
    """
    silent = asked = 0
    with alone(_SWEEP_LOCK) as is_alone:
        for payment in _take_due(now, limit) if is_alone else []:
            asked += 1
            silent += is_silence(_reconcile(payment, now))
            if silent >= GIVE_UP_AFTER:
                break
    return asked


def _reconcile(payment: Payment, now: datetime) -> GatewayError | None:
    """Answer the error if the provider did not say anything."""
    try:
        result = gateway_to_ask().query(payment.out_trade_no)
        payment_settle(result=result, now=now, source="reconcile")
    except OrderUnknown:
        return None  # the order was never placed there; its expiry closes it
    except PaymentError as error:
        log.error("payment does not reconcile", out_trade_no=payment.out_trade_no, reason=error.msg)
    except GatewayError as error:
        log.warning("payment not asked about", out_trade_no=payment.out_trade_no, reason=str(error))
        return error
    return None


def _take_due(now: datetime, limit: int) -> list[Payment]:
    """Take due payments and move their next time on, so that two sweeps never ask about the same one."""
    with transaction.atomic():
        due = Payment.objects.select_for_update(skip_locked=True).filter(next_check_at__lte=now)
        taken = list(due.order_by("next_check_at")[:limit])
        for payment in taken:
            payment.next_check_at = check_due(payment, now)
            payment.last_query_at = now
        Payment.objects.bulk_update(taken, ["next_check_at", "last_query_at"])
    return taken
