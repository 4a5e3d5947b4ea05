"""Notifications: created with the faults that are on, then sent until the merchant acknowledges them.

Every step is recorded in the database, so if a process is killed the sweep goes on.
"""

import http.client
import json
import re
import uuid
from copy import copy
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db.models import F, QuerySet
from django.utils import timezone

from core.queues import task_send
from sandbox.faults import faults_on
from sandbox.keys import sandbox_values
from sandbox.models import Delivery, DeliveryState, FaultKind, Refund, Trade
from sandbox.pay.describe import refund_v3, rfc3339, trade_v2
from sandbox.pay.signing import encrypt, render_signed, signature_headers

ANSWER_WITHIN_S = 5
# Seconds until the next try after each failed one.
# The real table is 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h.
RETRY_AFTER_S = (2, 2, 4, 8, 15, 30, 60, 60, 60, 120, 300, 300, 300, 600, 600)
# How long a worker has to send a notification and record the result; then another one may send it again.
SENT_WITHIN = timedelta(seconds=4 * ANSWER_WITHIN_S)
BATCH = 20  # each may wait ``ANSWER_WITHIN_S``
_ACK_V2 = re.compile(
    rb"<xml>\s*<return_code><!\[CDATA\[SUCCESS\]\]></return_code>\s*<return_msg><!\[CDATA\[OK\]\]></return_msg>\s*</xml>"
)


def payment_notices_create(*, trade: Trade, now: datetime) -> None:
    """Queue the notification of a payment, in the format of v2, because our side places orders by v2."""
    faults, notified = faults_on(trade), copy(trade)
    if FaultKind.WRONG_AMOUNT in faults:
        notified.total_fee = _false_fee(trade.total_fee)
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS"} | trade_v2(notified)
    body = render_signed(fields, is_forged=FaultKind.WRONG_SIGNATURE in faults)
    _queue(Delivery(trade=trade, api="v2", url=trade.notify_url, body=body), faults, now)


def refund_notices_create(*, refund: Refund, now: datetime) -> None:
    """Queue the notification of a refund for the time when it settles, if the merchant asked for one."""
    if not refund.notify_url:
        return
    faults, notified = faults_on(refund.trade), copy(refund)
    if FaultKind.WRONG_AMOUNT in faults:
        notified.refund_fee = _false_fee(refund.refund_fee)
    fields = {"mchid": sandbox_values()["WECHAT_PAY_MCH_ID"], "refund_status": refund.outcome}
    fields |= refund_v3(notified, refund.outcome)
    event = {
        "id": str(uuid.uuid4()),
        "create_time": rfc3339(refund.settles_at),
        "resource_type": "encrypt-resource",
        "event_type": f"REFUND.{refund.outcome}",
        "summary": refund.get_outcome_display(),
        "resource": encrypt(json.dumps(fields, ensure_ascii=False).encode(), kind="refund"),
    }
    body = json.dumps(event, ensure_ascii=False)
    _queue(Delivery(trade=refund.trade, refund=refund, api="v3", url=refund.notify_url, body=body), faults, now)


def _false_fee(fen: int) -> int:
    return 1 if fen > 1 else 2


def _queue(draft: Delivery, faults: dict[FaultKind, float], now: datetime) -> None:
    draft.created_at = now
    draft.is_forged = FaultKind.WRONG_SIGNATURE in faults
    due_at = draft.refund.settles_at if draft.refund else now
    draft.next_try_at = due_at + timedelta(seconds=faults.get(FaultKind.NOTIFY_LATE, 0))
    if FaultKind.NOTIFY_NEVER in faults:
        draft.state = DeliveryState.SUPPRESSED
    for _ in range(2 if FaultKind.NOTIFY_TWICE in faults else 1):
        draft.pk = None
        draft.save(force_insert=True)
    if draft.next_try_at <= now:
        task_send("sandbox.sweep")


def deliveries_send(deliveries: QuerySet[Delivery], *, now: datetime) -> list[int]:
    """Send those of the notifications that are due, oldest first. Return the keys of those that were sent."""
    due = deliveries.filter(state=DeliveryState.DUE, next_try_at__lte=now).order_by("next_try_at", "pk")
    return [pk for pk in list(due.values_list("pk", flat=True)[:BATCH]) if _send(pk, now)]


def _send(pk: int, now: datetime) -> bool:
    """Send one notification and record the answer, unless another worker is at it."""
    rows = Delivery.objects.filter(pk=pk, state=DeliveryState.DUE, next_try_at__lte=now)
    # This statement is the claim: if two workers try at the same time, only one of them changes the row.
    if not rows.update(next_try_at=timezone.now() + SENT_WITHIN, attempts=F("attempts") + 1):
        return False
    delivery = Delivery.objects.get(pk=pk)
    status, answer = _post(delivery)
    if delivery.api == "v3":
        is_acknowledged = status in {200, 204}  # whatever the body says
    else:
        is_acknowledged = status == 200 and _ACK_V2.fullmatch(answer) is not None
    if is_acknowledged:
        state, wait_s = DeliveryState.DELIVERED, 0
    elif delivery.attempts <= len(RETRY_AFTER_S):
        state, wait_s = DeliveryState.DUE, RETRY_AFTER_S[delivery.attempts - 1]
    else:
        state, wait_s = DeliveryState.GIVEN_UP, 0
    mine = Delivery.objects.filter(pk=pk, state=DeliveryState.DUE, attempts=delivery.attempts)
    mine.update(
        state=state,
        last_status=status,
        last_answer=answer.decode("utf-8", "replace").replace("\x00", "")[:300],
        next_try_at=timezone.now() + timedelta(seconds=wait_s),
    )
    return True


def _post(delivery: Delivery) -> tuple[int | None, bytes]:
    """Return the status of the merchant's response, None if none came in time, and its body."""
    body, headers = delivery.body.encode(), {"User-Agent": "Mozilla/4.0", "Content-Type": "text/xml; charset=utf-8"}
    if delivery.api == "v3":
        # Sign again at every attempt, because the timestamp must be recent.
        headers |= {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
        headers |= signature_headers(body, is_forged=delivery.is_forged)
    # http.client neither follows redirects nor uses the environment's proxy: the provider does neither.
    parts = urlsplit(delivery.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("POST", parts.path, body, headers)
        response = connection.getresponse()
        return response.status, response.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return None, type(error).__name__.encode()
    finally:
        connection.close()
