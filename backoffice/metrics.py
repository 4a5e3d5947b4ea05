"""What the database and Valkey know, for ``/metrics``."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from backoffice import figures
from core.observe import metrics
from core.observe.metrics import Sample
from payments.models import InboundEvent
from weather.models import WeatherAccount

NOTICES_OF = timedelta(hours=24)


@metrics.register
def orders() -> Iterator[Sample]:
    for state, number in figures.orders_to_do().items():
        yield "spms_orders", "Orders that wait for somebody", {"state": state}, number


@metrics.register
def notifications() -> Iterator[Sample]:
    counts = figures.verdicts(timezone.now() - NOTICES_OF)
    for verdict in InboundEvent.Verdict.values:
        yield (
            "spms_notifications_24h",
            "Payment notifications of 24 hours",
            {"verdict": verdict},
            counts.get(verdict, 0),
        )


@metrics.register
def weather() -> Iterator[Sample]:
    account = WeatherAccount.objects.only("last_success_at").first()
    if account and account.last_success_at:
        age_s = (timezone.now() - account.last_success_at).total_seconds()
        yield "spms_weather_sync_age_seconds", "Since weather was last fetched", {}, age_s


@metrics.register
def sockets() -> Iterator[Sample]:
    yield "spms_sockets", "Clients of the scan-login socket", {}, figures.sockets_open()
