"""The background work of payments. A task may run twice or get lost: the database says what is due.

``config/settings/base.py`` says when each one runs.
"""

from datetime import date

import structlog
from celery import shared_task

from core import times
from payments.errors import BillBusy
from payments.gateways.base import GatewayError
from payments.gateways.wechat import gateway_v3, merchants
from payments.services.bills import bill_reconcile, bills_reconcile_missing
from payments.services.notices import events_purge
from payments.services.reconcile import payments_reconcile
from payments.services.refund import refund_run, refunds_run_due
from payments.services.untold import listener_retell_due

log = structlog.get_logger("payments")


@shared_task(name="payments.run_refund", ignore_result=True)
def run_refund(refund_id: int) -> None:
    refund_run(refund_id=refund_id, now=times.now())


@shared_task(name="payments.run_due_refunds", ignore_result=True)
def run_due_refunds() -> None:
    refunds_run_due(now=times.now())


@shared_task(name="payments.reconcile", ignore_result=True)
def reconcile() -> None:
    listener_retell_due(now=times.now())
    payments_reconcile(now=times.now())


@shared_task(name="payments.reconcile_bills", ignore_result=True)
def reconcile_bills() -> None:
    bills_reconcile_missing(now=times.now())


@shared_task(name="payments.reconcile_bill", ignore_result=True)
def reconcile_bill(day: str) -> None:
    try:
        bill_reconcile(day=date.fromisoformat(day), now=times.now())
    except BillBusy:
        log.warning("bill not compared, another comparison is going on", day=day)


@shared_task(name="payments.purge_events", ignore_result=True)
def purge_events() -> None:
    events_purge(now=times.agreed_now())


@shared_task(name="payments.refresh_certificates", ignore_result=True)
def refresh_certificates() -> None:
    """Fetch the platform certificates of merchants that have a place for them, where they are missing or old.

    Before anybody asks WeChat something: a notification may come first, and must not make us download anything. Beside
    a public key too, since WeChat signs with either while it switches.
    """
    for who in merchants():
        if not who.has_v3 or not who.cert_dir:
            continue
        try:
            if gateway_v3(who).keys.certificates_due:
                gateway_v3(who).refresh_certificates()
        except GatewayError as error:
            log.warning("platform certificates not downloaded", mch_id=who.mch_id, reason=str(error) or error.code)
