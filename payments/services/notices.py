"""Notifications of the provider: each is handled, then stored with its outcome, then answered."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
import structlog
from django.db.models import Q

from core import times
from core.cache.ratelimit import hit
from core.db.purge import BATCH, rows_purge
from core.observe import tracing
from core.observe.metrics import counter
from payments.errors import EventCut, PaymentError, PaymentUnknown
from payments.gateways.base import GatewayMisconfigured, NoticeRefused, PaymentResult, RefundResult
from payments.gateways.wechat import gateway_v3, merchants
from payments.gateways.wechat.notices import read_v2, read_v3
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import InboundEvent
from payments.services.confirm import payment_confirm
from payments.services.refund import STATE_OF, refund_record

log = structlog.get_logger("payments")
MAX_BODY = 64 * 1024  # a real one has 1 to 3 KiB
# Anybody can send unsigned notifications, as many as they like, and fill the disk. So of each only the beginning is
# kept, of all together 30 a minute, for a week: at most 1 GB. One that failed through our own fault, such as a missing
# key, may be genuine and be replayed later, so more of it is kept.
REFUSED_PER_MINUTE = 30
KEPT_OF_REFUSED, KEPT_OF_FAILED = 1024, 4 * 1024
KEEP, KEEP_UNPROVEN = timedelta(days=90), timedelta(days=7)
# Headers that are kept, with the longest length: they serve to check a signature again, or to find the sender.
HEADERS = {
    "Wechatpay-Signature": 700,  # of an RSA key of 4,096 bits: 684
    "Wechatpay-Timestamp": 32,
    "Wechatpay-Nonce": 128,
    "Wechatpay-Serial": 128,
    "Wechatpay-Signature-Type": 64,
    "Content-Type": 128,
    "User-Agent": 128,
    "X-Request-Id": 64,
}
NOTICES = counter(
    "spms_notifications_total", "Notifications, and whether they were kept", ["channel", "verdict", "kept"]
)

Channel, Verdict = InboundEvent.Channel, InboundEvent.Verdict


@dataclass(frozen=True)
class Notice:
    """A notification as it came in. ``size`` is the length of the whole body, also where ``body`` is cut."""

    channel: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    received_at: datetime


@dataclass(frozen=True)
class NoticeOutcome:
    """What came of a notification. ``reason`` is Chinese, for provider and stored row; v3 gets ``http_status``."""

    verdict: str
    reason: str
    http_status: int
    kind: str = ""
    out_trade_no: str = ""
    is_genuine: bool = False

    @property
    def accepted(self) -> bool:
        return self.verdict == Verdict.ACCEPTED


def notice_take(
    *, channel: str, headers: Mapping[str, str], body: bytes, size: int, remote_ip: str, now: datetime
) -> NoticeOutcome:
    """Handle a notification and store it; return the outcome. By then both are committed."""
    notice = Notice(channel, _kept_headers(headers), body, size, now)
    outcome = notice_handle(notice, now=now)
    is_kept = outcome.is_genuine or _may_keep_one_more()
    if is_kept:
        InboundEvent.objects.create(
            channel=channel,
            received_at=now,
            remote_ip=remote_ip[:45],
            headers=dict(notice.headers),
            body=body[: _kept_bytes(outcome)],
            body_size=size,
            body_sha256=hashlib.sha256(body).hexdigest(),
            handled_at=times.now(),
            **_columns(outcome),
        )
    NOTICES.labels(channel, outcome.verdict, is_kept).inc()
    return outcome


def notice_handle(notice: Notice, *, now: datetime) -> NoticeOutcome:
    """Check a notification, record what it says, return the outcome. Never raises. A replay calls this as well."""
    kind = number = ""
    is_genuine = False
    try:
        result = _read(notice)
        is_genuine = True
        kind, number = _about(result)
        tracing.about(order=number)
        if isinstance(result, PaymentResult):
            payment_confirm(result=result, now=now, source=f"notify_{notice.channel}")
        else:
            refund_record(result=result, now=now, source=f"微信通知（{notice.channel}）")
    except NoticeRefused as error:
        return NoticeOutcome(Verdict.REFUSED, str(error), error.http_status, is_genuine=error.is_genuine)
    except PaymentUnknown as error:
        return NoticeOutcome(Verdict.REFUSED, error.msg, 404, kind, number, is_genuine)
    except PaymentError as error:
        return NoticeOutcome(Verdict.REFUSED, error.msg, 400, kind, number, is_genuine)
    except GatewayMisconfigured as error:
        log.error("notification not understood", reason=str(error))
        return NoticeOutcome(Verdict.FAILED, "商户参数未配置", 500, kind, number, is_genuine)
    except Exception:
        # Whatever failed, answer in the provider's format, so that it sends the notification again.
        log.exception("notification failed", channel=notice.channel, out_trade_no=number)
        return NoticeOutcome(Verdict.FAILED, "处理失败", 500, kind, number, is_genuine)
    return NoticeOutcome(Verdict.ACCEPTED, "处理成功", 200, kind, number, is_genuine)


def _read(notice: Notice) -> PaymentResult | RefundResult:
    if notice.size > MAX_BODY:
        raise NoticeRefused("报文过大", http_status=413)
    if notice.channel == Channel.V2:
        return read_v2(notice.body, merchants())
    return read_v3(notice.headers, notice.body, _v3_gateways(), notice.received_at)


def _v3_gateways() -> list[WeChatV3]:
    """Return the v3 gateways of all merchants that have v3 values.

    :raises GatewayMisconfigured: none has.
    """
    usable, problems = [], []
    for who in merchants():
        try:
            usable.append(gateway_v3(who))
        except GatewayMisconfigured as error:
            problems.append(error)
    if not usable:
        raise problems[0]
    return usable


def _about(result: PaymentResult | RefundResult) -> tuple[str, str]:
    if isinstance(result, PaymentResult):
        return "支付成功", result.out_trade_no
    state = STATE_OF.get(result.status)
    return (state.label if state else f"退款{result.status}")[:32], result.out_trade_no


def _columns(outcome: NoticeOutcome) -> dict[str, object]:
    return {
        "verdict": outcome.verdict,
        "result": outcome.reason[:255],
        "http_status": outcome.http_status,
        "kind": outcome.kind,
        "out_trade_no": outcome.out_trade_no,
        "is_genuine": outcome.is_genuine,
    }


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: headers.get(name, "")[:most].replace("\x00", "") for name, most in HEADERS.items()}
    return {name: value for name, value in found.items() if value}


def _kept_bytes(outcome: NoticeOutcome) -> int:
    if outcome.is_genuine:
        return MAX_BODY
    return KEPT_OF_FAILED if outcome.verdict == Verdict.FAILED else KEPT_OF_REFUSED


def _may_keep_one_more() -> bool:
    """Count an unproven notification and tell whether to keep it. Without Valkey nothing is counted, and none kept."""
    try:
        return not hit("payments:unproven", limit=REFUSED_PER_MINUTE, window_s=60)
    except redis.RedisError:
        return False


def event_replay(*, event_id: int, now: datetime) -> InboundEvent:
    """Handle a stored notification again; its time stamp is checked against the time when it came in.

    :raises InboundEvent.DoesNotExist: there is no such notification.
    :raises EventCut: only the beginning of its body was kept; nothing was done.
    """
    event = InboundEvent.objects.get(pk=event_id)
    if event.is_cut:
        raise EventCut
    notice = Notice(event.channel, event.headers, bytes(event.body), event.body_size, event.received_at)
    columns = _columns(notice_handle(notice, now=now))
    for name, value in columns.items():
        setattr(event, name, value)
    event.handled_at = now
    event.replays += 1
    event.save(update_fields=[*columns, "handled_at", "replays"])
    return event


def event_acknowledge(*, event_id: int, actor: str, now: datetime) -> None:
    """Note that ``actor`` has looked at a failed notification and that nothing more is to be done about it."""
    waiting = InboundEvent.objects.filter(pk=event_id, acknowledged_at=None)
    waiting.update(acknowledged_at=now, acknowledged_by=actor[:64])


def events_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete notifications after 90 days, unproven ones after 7; return how many."""
    is_over = Q(received_at__lt=now - KEEP) | Q(is_genuine=False, received_at__lt=now - KEEP_UNPROVEN)
    return rows_purge(InboundEvent.objects.filter(is_over), batch=batch)
