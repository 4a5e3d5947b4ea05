"""Send notifications. Every step is recorded in the database, so if a process is killed the sweep goes on."""

import http.client
import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import F, Q
from django.utils import timezone

from core.queues import task_send
from sandbox.models import Api, Delivery, DeliveryState
from sandbox.pay.rsa import signature_headers

ANSWER_WITHIN_S = 5
# Seconds until the next try after each failed one.
# The real table is 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h.
RETRY_AFTER_S = (2, 2, 4, 8, 15, 30, 60, 60, 60, 120, 300, 300, 300, 600, 600)
# How long a worker has to send a notification and record the result; then another one may send it again.
SENT_WITHIN = timedelta(seconds=4 * ANSWER_WITHIN_S)
BATCH = 200
_ALL = Q()
_ACK_V2 = re.compile(
    rb"<xml>\s*<return_code><!\[CDATA\[SUCCESS\]\]></return_code>\s*<return_msg><!\[CDATA\[OK\]\]></return_msg>\s*</xml>"
)


# The status of the merchant's response, None if none came in time, and its body.
MerchantAnswer = tuple[int | None, bytes]


def deliveries_due(*, now: datetime, own: Q = _ALL) -> list[int]:
    """Return the ids of the notifications to send now, oldest first; ``own`` matches those of one caller."""
    deliveries = (
        Delivery.objects.filter(state=DeliveryState.DUE, next_try_at__lte=now).filter(own).order_by("next_try_at", "pk")
    )
    return list(deliveries.values_list("pk", flat=True)[:BATCH])


def delivery_send(*, delivery_id: int, now: datetime) -> DeliveryState | None:
    """Send one notification, if it is due and no other worker is sending it. Return its new state, None if not sent."""
    rows = Delivery.objects.filter(pk=delivery_id, state=DeliveryState.DUE, next_try_at__lte=now)
    # This statement is the claim: if two workers try at the same time, only one of them changes the row.
    if not rows.update(next_try_at=now + SENT_WITHIN, attempts=F("attempts") + 1):
        return None
    delivery = Delivery.objects.get(pk=delivery_id)
    answer = _post(delivery.url, delivery.body.encode(), _headers(delivery))
    return _record(delivery, answer)


def _headers(delivery: Delivery) -> dict[str, str]:
    if delivery.api == Api.V2:
        return {"Content-Type": "text/xml; charset=utf-8"}
    # Sign again at every attempt, because the timestamp must be recent.
    headers = signature_headers(delivery.body.encode(), is_forged=delivery.is_forged)
    return {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"} | headers


def _post(url: str, body: bytes, headers: dict[str, str]) -> MerchantAnswer:
    # http.client neither follows redirects nor uses the environment's proxy: the provider does neither.
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("POST", parts.path, body, headers | {"User-Agent": "Mozilla/4.0"})
        response = connection.getresponse()
        return response.status, response.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return None, type(error).__name__.encode()
    finally:
        connection.close()


def _record(delivery: Delivery, answer: MerchantAnswer) -> DeliveryState:
    status, body = answer
    # For v3 the status alone decides.
    if status in {200, 204} if delivery.api == Api.V3 else status == 200 and _ACK_V2.fullmatch(body):
        state = DeliveryState.DELIVERED
    else:
        state = DeliveryState.DUE if delivery.attempts <= len(RETRY_AFTER_S) else DeliveryState.GIVEN_UP
    wait_s = RETRY_AFTER_S[delivery.attempts - 1] if state == DeliveryState.DUE else 0
    text = body.decode("utf-8", "replace").replace("\x00", "")
    mine = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.DUE, attempts=delivery.attempts)
    mine.update(
        state=state,
        last_status=status,
        last_answer=text[:300],
        next_try_at=timezone.now() + timedelta(seconds=wait_s),
    )
    return state


def delivery_requeue(*, delivery_id: int, now: datetime) -> None:
    """Send a notification again now, whatever its state."""
    again = Delivery.objects.filter(pk=delivery_id)
    if again.update(state=DeliveryState.DUE, is_held=False, next_try_at=now):
        task_send("sandbox.deliver", delivery_id)
