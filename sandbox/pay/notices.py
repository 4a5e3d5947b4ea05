"""Notifications: created with the faults that are on, then sent until the merchant acknowledges them.

Every step is recorded in the database, so if a process is killed the sweep goes on.
"""

import http.client
import json
import re
import uuid
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import F, Q
from django.utils import timezone

from core.queues import task_send
from sandbox.faults import faults_on
from sandbox.models import Api, Delivery, DeliveryState, FaultKind, Refund, Trade
from sandbox.pay import xml
from sandbox.pay.describe import refund_notice, rfc3339, trade_v2
from sandbox.pay.rsa import encrypt, signature_headers

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
Faults = dict[FaultKind, float]


def payment_notices_create(*, trade: Trade, now: datetime) -> None:
    """Queue the notification of a payment, in the format of v2, because our side places orders by v2."""
    faults = faults_on(trade)
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS"}
    fields |= trade_v2(trade, total_fee=_false_fee(trade.total_fee, faults))
    body = xml.render_signed(fields, is_forged=FaultKind.WRONG_SIGNATURE in faults)
    _queue(Delivery(trade=trade, api=Api.V2, url=trade.notify_url, body=body), faults, now)


def refund_notices_create(*, refund: Refund, now: datetime) -> None:
    """Queue the notification of a settled refund, if the merchant asked for one."""
    if not refund.notify_url:
        return
    faults = faults_on(refund.trade)
    notice = refund_notice(refund, refund_fee=_false_fee(refund.refund_fee, faults))
    event = {
        "id": str(uuid.uuid4()),
        "create_time": rfc3339(now),
        "resource_type": "encrypt-resource",
        "event_type": f"REFUND.{refund.state}",
        "summary": refund.get_state_display(),
        "resource": encrypt(json.dumps(notice, ensure_ascii=False).encode(), associated_data="refund")
        | {"original_type": "refund"},
    }
    body = json.dumps(event, ensure_ascii=False)
    _queue(Delivery(trade=refund.trade, refund=refund, api=Api.V3, url=refund.notify_url, body=body), faults, now)


def _queue(draft: Delivery, faults: Faults, now: datetime) -> None:
    draft.created_at = now
    draft.is_forged = FaultKind.WRONG_SIGNATURE in faults
    draft.next_try_at = now + timedelta(seconds=faults.get(FaultKind.NOTIFY_LATE, 0))
    if FaultKind.NOTIFY_NEVER in faults:
        draft.state = DeliveryState.SUPPRESSED
    for _ in range(2 if FaultKind.NOTIFY_TWICE in faults else 1):
        draft.pk = None
        draft.save(force_insert=True)
        if draft.next_try_at <= now:
            task_send("sandbox.deliver", draft.pk)


def _false_fee(fen: int, faults: Faults) -> int | None:
    return None if FaultKind.WRONG_AMOUNT not in faults else 1 if fen > 1 else 2


def deliveries_due(*, now: datetime, own: Q = _ALL) -> list[int]:
    """Return the ids of the notifications to send now, oldest first; ``own`` matches those of one caller."""
    deliveries = Delivery.objects.filter(own, state=DeliveryState.DUE, next_try_at__lte=now)
    return list(deliveries.order_by("next_try_at", "pk").values_list("pk", flat=True)[:BATCH])


def delivery_send(*, delivery_id: int, now: datetime) -> DeliveryState | None:
    """Send one notification, if it is due and no other worker is sending it. Return its new state, None if not sent."""
    rows = Delivery.objects.filter(pk=delivery_id, state=DeliveryState.DUE, next_try_at__lte=now)
    # This statement is the claim: if two workers try at the same time, only one of them changes the row.
    if not rows.update(next_try_at=now + SENT_WITHIN, attempts=F("attempts") + 1):
        return None
    delivery = Delivery.objects.get(pk=delivery_id)
    return _record(delivery, *_post(delivery.url, delivery.body.encode(), _headers(delivery)))


def _headers(delivery: Delivery) -> dict[str, str]:
    if delivery.api == Api.V2:
        return {"Content-Type": "text/xml; charset=utf-8"}
    # Sign again at every attempt, because the timestamp must be recent.
    headers = signature_headers(delivery.body.encode(), is_forged=delivery.is_forged)
    return {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"} | headers


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, bytes]:
    """Return the status of the merchant's response, None if none came in time, and its body."""
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


def _record(delivery: Delivery, status: int | None, body: bytes) -> DeliveryState:
    # For v3 the status alone decides.
    if status in {200, 204} if delivery.api == Api.V3 else status == 200 and _ACK_V2.fullmatch(body):
        state = DeliveryState.DELIVERED
    else:
        state = DeliveryState.DUE if delivery.attempts <= len(RETRY_AFTER_S) else DeliveryState.GIVEN_UP
    wait_s = RETRY_AFTER_S[delivery.attempts - 1] if state == DeliveryState.DUE else 0
    text = body.decode("utf-8", "replace").replace("\x00", "")[:300]
    mine = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.DUE, attempts=delivery.attempts)
    next_try_at = timezone.now() + timedelta(seconds=wait_s)
    mine.update(state=state, last_status=status, last_answer=text, next_try_at=next_try_at)
    return state
