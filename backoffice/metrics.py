"""The metrics for ``/metrics`` that are read from the database and Valkey."""

from collections.abc import Iterator
from datetime import timedelta

from core import times
from core.observe import metrics
from core.observe.metrics import Sample
from payments.models import InboundEvent
from payments.selectors import differences_open, notices_by_verdict, payments_left_open, refunds_stuck
from shop.selectors import orders_to_do
from sockets.sessions import sessions_open
from weather.selectors import last_success_at

NOTICES_OF = timedelta(hours=24)


@metrics.register_samples
def what_waits() -> Iterator[Sample]:
    for state, number in orders_to_do().items():
        yield "spms_orders", "Orders that wait for staff", {"state": state}, number
    number = differences_open().count()
    yield "spms_bill_differences", "Differences with WeChat Pay's bills that wait for staff", {}, number
    yield "spms_refunds_stuck", "Refunds that wait for staff", {}, refunds_stuck()
    left_open = payments_left_open(now=times.now())
    yield "spms_payments_left_open", "Payments that are open an hour after their end", {}, left_open
    counts = notices_by_verdict(since=times.now() - NOTICES_OF)
    for verdict in InboundEvent.Verdict.values:
        number = counts.get(verdict, 0)
        yield "spms_notifications_24h", "Payment notifications of 24 hours", {"verdict": verdict}, number
    if success_at := last_success_at():
        age_s = (times.now() - success_at).total_seconds()
        yield "spms_weather_sync_age_seconds", "Since weather was last fetched", {}, age_s


@metrics.register_samples
def sockets() -> Iterator[Sample]:
    yield "spms_sockets", "Clients of the scan-login socket", {}, sessions_open()
