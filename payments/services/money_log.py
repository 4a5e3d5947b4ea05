"""The money log, and the changes of a state that it tells of."""

from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from core.audit import actor_facts
from core.observe import tracing
from payments.models import Payment, PaymentLog, Refund

log = structlog.get_logger("payments")
SYSTEM = "系统"


def log_step(
    payment: Payment,
    event: str,
    now: datetime,
    *,
    actor: str = SYSTEM,
    refund: Refund | None = None,
    from_state: str = "",
    to_state: str = "",
    detail: str = "",
) -> None:
    """Add one row to the money log, and at the commit a line to the log of the process.

    Call it in the transaction of the change that it tells of.
    """
    PaymentLog.objects.create(
        payment=payment,
        refund=refund,
        at=now,
        **actor_facts(actor),
        event=event,
        from_state=from_state,
        to_state=to_state,
        detail=detail[:255],
        request_id=tracing.current(),
    )
    # Not the actor or the detail: they may hold a name, a phone or an openid.
    number = {"refund": refund.out_refund_no} if refund else {}
    line = partial(log.info, "payment", order=payment.out_trade_no, step=event, state=to_state, **number)
    transaction.on_commit(line, robust=True)


def set_state(
    payment: Payment,
    state: str,
    event: str,
    now: datetime,
    *,
    refund: Refund | None = None,
    actor: str = SYSTEM,
    detail: str = "",
    **fields: Any,
) -> None:
    """Change the state of a payment, or of its refund, together with other fields, and log the step.

    The caller has locked the row.
    """
    row: Payment | Refund = refund or payment
    before, row.state = row.state, state
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=["state", *fields] if row.pk else None)
    log_step(payment, event, now, actor=actor, refund=refund, from_state=before, to_state=state, detail=detail)
