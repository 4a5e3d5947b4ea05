"""Notifications of the provider: each is handled, then stored with its outcome, then answered.

One that nothing proves to be the provider's is not stored, since a stranger can send any number: it is logged.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from core import times
from core.db.purge import BATCH, rows_purge
from core.observe import tracing
from core.observe.metrics import Counter
from payments.errors import NoticeRefused, PaymentError, PaymentNotConfigured, PaymentUnknown
from payments.gateways.base import PaymentResult, RefundResult
from payments.gateways.wechat import gateway_v3, merchants
from payments.gateways.wechat.notices import read_v2, read_v3
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import PAYMENT_NOTICE, InboundEvent
from payments.services.confirm import payment_confirm
from payments.services.refund import STATE_OF, refund_record

log = structlog.get_logger("payments")
MAX_BODY = 64 * 1024  # a real one has 1 to 3 KiB
KEEP = timedelta(days=90)
# How the headers begin that are kept: they prove who sent it, or help to find the request in other logs.
HEADERS = ("Wechatpay-", "Content-Type", "User-Agent", "X-Request-Id")
MAX_HEADER = 700  # a signature by an RSA key of 4,096 bits has 684
NOTICES = Counter(
    "spms_notifications_total", "Notifications, and whether they were kept", ["channel", "verdict", "kept"]
)

Channel, Verdict = InboundEvent.Channel, InboundEvent.Verdict


def notice_take(
    *, channel: str, headers: Mapping[str, str], body: bytes, remote_ip: str, now: datetime
) -> InboundEvent:
    """Handle a notification, and store a genuine one; return it with its outcome. By then both are committed."""
    event = InboundEvent(
        channel=channel,
        received_at=now,
        remote_ip=remote_ip[:45],
        headers=_kept_headers(headers),
        body=body,
        body_size=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
        is_genuine=False,
    )
    _handle(event, now)
    if event.is_genuine:
        event.handled_at = times.now()
        event.save()
    else:
        log.warning("notification not proven", channel=channel, ip=event.remote_ip, reason=event.result)
    NOTICES.labels(channel, event.verdict, event.is_genuine).inc()
    return event


def _handle(event: InboundEvent, now: datetime) -> None:
    """Check a notification, record what it says, set the outcome. Never raises."""
    source = f"微信通知（{event.channel}）"
    try:
        result = _read(event)
        event.is_genuine, event.out_trade_no = True, result.out_trade_no
        tracing.about(order=result.out_trade_no)
        if isinstance(result, PaymentResult):
            event.kind = PAYMENT_NOTICE
            payment_confirm(result=result, now=now, source=source)
        else:
            event.kind = (STATE_OF[result.status].label if result.status in STATE_OF else f"退款{result.status}")[:32]
            refund_record(result=result, now=now, source=source)
        outcome = Verdict.ACCEPTED, "处理成功", 200
    except NoticeRefused as error:
        event.is_genuine = error.is_genuine
        outcome = Verdict.REFUSED, error.msg, error.http_status
    except PaymentNotConfigured as error:
        log.error("notification not understood", reason=str(error))
        outcome = Verdict.FAILED, error.msg, 500
    except PaymentError as error:
        outcome = Verdict.REFUSED, error.msg, 404 if isinstance(error, PaymentUnknown) else 400
    except Exception:
        # Whatever failed, answer in the provider's format, so that it sends the notification again.
        log.exception("notification failed", channel=event.channel, out_trade_no=event.out_trade_no)
        outcome = Verdict.FAILED, "处理失败", 500
    event.verdict, event.result, event.http_status = outcome


def _read(event: InboundEvent) -> PaymentResult | RefundResult:
    if event.body_size > MAX_BODY:
        raise NoticeRefused("报文过大", http_status=413)
    if event.channel == Channel.V2:
        return read_v2(bytes(event.body), merchants())
    return read_v3(event.headers, bytes(event.body), _v3_gateways(), event.received_at)


def _v3_gateways() -> list[WeChatV3]:
    """Return the v3 gateways of all merchants that have v3 values.

    :raises PaymentNotConfigured: none has.
    """
    usable, problems = [], []
    for who in merchants():
        try:
            usable.append(gateway_v3(who))
        except PaymentNotConfigured as error:
            problems.append(error)
    if not usable:
        raise problems[0]
    return usable


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if name.startswith(HEADERS) and value}
    return {name: value[:MAX_HEADER].replace("\x00", "") for name, value in kept.items()}


def event_acknowledge(*, event_id: int, actor: str, now: datetime) -> None:
    """Note that ``actor`` has looked at a failed notification and that nothing more is to be done about it."""
    event = InboundEvent.objects.filter(pk=event_id, acknowledged_at=None)
    event.update(acknowledged_at=now, acknowledged_by=actor[:64])


def events_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete notifications after 90 days; return how many."""
    return rows_purge(InboundEvent.objects.filter(received_at__lt=now - KEEP), batch=batch)
