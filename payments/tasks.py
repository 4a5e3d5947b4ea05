"""Each may run twice or never: what is due stands in the database."""

from celery import shared_task
from django.utils import timezone


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
