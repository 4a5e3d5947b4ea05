"""The background work of payments. A task may run twice or get lost: the database says what is due.

``config/schedule.py`` says when each one runs.
"""

from datetime import date

import structlog

from core import times
from core.queues import queued_task
from payments.errors import GatewayError
from payments.gateways.wechat import gateway_v3, merchants
from payments.services.bills import bill_reconcile, bills_reconcile_missing
from payments.services.listener_retry import listener_retell_due
from payments.services.notices import events_purge
from payments.services.query_close import payments_query_due
from payments.services.refund import refund_run, refunds_run_due

log = structlog.get_logger("payments")


@queued_task("payments.run_refund", queue="money")
def run_refund(refund_id: int) -> None:
    refund_run(refund_id=refund_id, now=times.now())


@queued_task("payments.run_due_refunds", queue="money")
def run_due_refunds() -> None:
    refunds_run_due(now=times.now())


@queued_task("payments.reconcile", queue="money")
def reconcile() -> None:
    listener_retell_due(now=times.now())
    payments_query_due(now=times.now())


@queued_task("payments.reconcile_bills", queue="bulk")
def reconcile_bills() -> None:
    bills_reconcile_missing(now=times.now())


@queued_task("payments.reconcile_bill", queue="bulk")
def reconcile_bill(day: str) -> None:
    bill_reconcile(day=date.fromisoformat(day), now=times.now())


@queued_task("payments.purge_events", queue="bulk")
def purge_events() -> None:
    events_purge(now=times.agreed_now())


@queued_task("payments.refresh_certificates", queue="money")
def refresh_certificates() -> None:
    """Fetch the platform certificates of merchants that have a place for them, where they are missing or old.

    Before our first question to WeChat: a notification may come first, and must not make us download anything. Beside
    a public key too, since WeChat signs with either while it switches.
    """
    for who in merchants():
        if not who.has_v3 or not who.cert_dir:
            continue
        try:
            if gateway_v3(who).keys.certificates_due:
                gateway_v3(who).refresh_certificates()
        except GatewayError as error:
            log.warning("platform certificates not downloaded", mch_id=who.mch_id, reason=str(error))
