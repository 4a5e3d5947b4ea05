"""Each may run twice or never: what is due stands in the database."""

from datetime import date

import structlog
from celery import shared_task
from django.utils import timezone

from payments.errors import BillBusy

log = structlog.get_logger("payments")


@shared_task(name="payments.run_refund", ignore_result=True)
def run_refund(refund_id: int) -> None:
    from payments.services.refund import refund_run

    refund_run(refund_id=refund_id, now=timezone.now())


@shared_task(name="payments.run_due_refunds", ignore_result=True)
def run_due_refunds() -> None:
    from payments.services.refund import refunds_run_due

    refunds_run_due(now=timezone.now())


@shared_task(name="payments.reconcile", ignore_result=True)
def reconcile() -> None:
    from payments.services.reconcile import payments_reconcile

    payments_reconcile(now=timezone.now())


@shared_task(name="payments.reconcile_bills", ignore_result=True)
def reconcile_bills() -> None:
    from payments.services.bills import bills_reconcile_missing

    bills_reconcile_missing(now=timezone.now())


@shared_task(name="payments.reconcile_bill", ignore_result=True)
def reconcile_bill(day: str) -> None:
    from payments.services.bills import bill_reconcile

    try:
        bill_reconcile(day=date.fromisoformat(day), now=timezone.now())
    except BillBusy:
        log.warning("bill not compared, another comparison is going on", day=day)


@shared_task(name="payments.purge_events", ignore_result=True)
def purge_events() -> None:
    from payments.services.journal import events_purge

    events_purge(now=timezone.now())


@shared_task(name="payments.refresh_certificates", ignore_result=True)
def refresh_certificates() -> None:
    """Platform certificates change every few years, announced a day ahead; public keys do not."""
    from payments.gateways.wechat import gateway_v3, merchants

    for who in merchants():
        if who.has_v3 and gateway_v3(who).keys.uses_certificates:
            gateway_v3(who).refresh_certificates()
