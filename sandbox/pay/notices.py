"""Create notifications, with the faults that are on."""

import json
import uuid
from datetime import datetime, timedelta

from core.queues import task_send
from sandbox.faults import faults_on
from sandbox.models import Api, Delivery, DeliveryState, FaultKind, Refund, Trade
from sandbox.pay import xml
from sandbox.pay.describe import refund_notice, rfc3339, trade_v2
from sandbox.pay.rsa import encrypt

OVERTAKEN_BY = timedelta(seconds=1)  # a held-back notification is sent this long after the one that overtakes it
Faults = dict[FaultKind, float]


def payment_notices_create(*, trade: Trade, now: datetime) -> None:
    """Queue the notification of a payment, in the format of v2, because our side places orders by v2."""
    faults = faults_on(trade)
    body = _payment_v2(trade, _false_fee(trade.total_fee, faults), is_forged=FaultKind.WRONG_SIGNATURE in faults)
    _queue(Delivery(trade=trade, api=Api.V2, url=trade.notify_url, body=body), faults, now)


def refund_notices_create(*, refund: Refund, now: datetime) -> None:
    """Queue the notification of a settled refund, if the merchant asked for one."""
    if not refund.notify_url:
        return
    faults = faults_on(refund.trade)
    draft = Delivery(trade=refund.trade, refund=refund, api=Api.V3, url=refund.notify_url)
    draft.body = _refund_v3(refund, _false_fee(refund.refund_fee, faults), now)
    _queue(draft, faults, now)


def _queue(draft: Delivery, faults: Faults, now: datetime) -> None:
    draft.created_at = now
    draft.is_forged = FaultKind.WRONG_SIGNATURE in faults
    draft.next_try_at = now + timedelta(seconds=faults.get(FaultKind.NOTIFY_LATE, 0))
    if FaultKind.NOTIFY_NEVER in faults:
        draft.state = DeliveryState.SUPPRESSED
    else:
        _shuffle(draft, faults)
    for _ in range(2 if FaultKind.NOTIFY_TWICE in faults else 1):
        draft.pk = None
        draft.save(force_insert=True)
        if draft.next_try_at <= now:
            task_send("sandbox.deliver", draft.pk)


def _shuffle(draft: Delivery, faults: Faults) -> None:
    """Let this notification overtake one that is held back; with none, and the fault on, hold this one back."""
    late = Delivery.objects.filter(is_held=True, state=DeliveryState.DUE, attempts=0)
    number = late.update(is_held=False, next_try_at=draft.next_try_at + OVERTAKEN_BY)
    if not number and FaultKind.NOTIFY_OUT_OF_ORDER in faults:
        draft.is_held = True
        draft.next_try_at += timedelta(seconds=faults[FaultKind.NOTIFY_OUT_OF_ORDER])


def _false_fee(fen: int, faults: Faults) -> int | None:
    if FaultKind.WRONG_AMOUNT not in faults:
        return None
    return 1 if fen > 1 else 2


def _payment_v2(trade: Trade, fen: int | None, *, is_forged: bool) -> str:
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS"} | trade_v2(trade, total_fee=fen)
    return xml.render_signed(fields, is_forged=is_forged)


def _refund_v3(refund: Refund, fen: int | None, now: datetime) -> str:
    plain = json.dumps(refund_notice(refund, refund_fee=fen), ensure_ascii=False)
    event = {
        "id": str(uuid.uuid4()),
        "create_time": rfc3339(now),
        "resource_type": "encrypt-resource",
        "event_type": f"REFUND.{refund.state}",
        "summary": refund.get_state_display(),
        "resource": encrypt(plain.encode(), associated_data="refund") | {"original_type": "refund"},
    }
    return json.dumps(event, ensure_ascii=False)
