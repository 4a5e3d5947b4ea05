"""Notifications: each one is handled, then written down with what became of it, then answered."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
import structlog
from django.db.models import Q
from django.utils import timezone

from core.cache.ratelimit import hit
from core.db.purge import BATCH, rows_purge
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
# Anybody can send what nothing proves to be the provider's, as often as he likes: of it little is kept, of the whole
# site so many a minute (at most 1 GB in all), and for a week. Our own fault, such as a missing key, may be mended and
# the notification handled again, so a little more of it is kept.
REFUSED_PER_MINUTE = 30
KEPT_OF_REFUSED, KEPT_OF_FAILED = 1024, 4 * 1024
KEEP, KEEP_UNPROVEN = timedelta(days=90), timedelta(days=7)
# What checking a signature again needs and what helps to find out who sends; the value: characters at most.
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
    """A notification as it came in. ``body`` may be cut where it is over ``MAX_BODY``; ``size`` is never."""

    channel: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    received_at: datetime


@dataclass(frozen=True)
class NoticeOutcome:
    """What became of it. ``reason`` is Chinese, for the provider and the journal; ``http_status`` for v3."""

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
    """Handle a notification and write it into the journal. By the time this returns, both are committed."""
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
            handled_at=timezone.now(),
            **_columns(outcome),
        )
    NOTICES.labels(channel, outcome.verdict, is_kept).inc()
    return outcome


def notice_handle(notice: Notice, *, now: datetime) -> NoticeOutcome:
    """Check it, act on it, say what became of it. Never raises; replaying goes the same way."""
    kind = number = ""
    is_genuine = False
    try:
        result = _read(notice)
        is_genuine = True
        kind, number = _about(result)
        if isinstance(result, PaymentResult):
            payment_confirm(result=result, now=now, source=f"notify_{notice.channel}")
        else:
            refund_record(result=result, now=now, source=f"微信通知({notice.channel})")
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
        # Whatever it is, the provider must hear a failure in its own format, and send it again.
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
    """:raises GatewayMisconfigured: the present merchant has no v3 values, and no earlier one had."""
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
    """Count one that nothing proves to be genuine; without Valkey nobody counts, so none is kept."""
    try:
        return not hit("payments:unproven", limit=REFUSED_PER_MINUTE, window_s=60)
    except redis.RedisError:
        return False


def event_replay(*, event_id: int, now: datetime) -> InboundEvent:
    """Handle a journaled notification once more, as if it came when it came.

    :raises InboundEvent.DoesNotExist: no such event.
    :raises EventCut: only its beginning was kept; nothing was done.
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


def events_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete what was kept long enough: 90 days, 7 where nothing proves it genuine. Answer how many."""
    is_over = Q(received_at__lt=now - KEEP) | Q(is_genuine=False, received_at__lt=now - KEEP_UNPROVEN)
    return rows_purge(InboundEvent.objects.filter(is_over), batch=batch)
