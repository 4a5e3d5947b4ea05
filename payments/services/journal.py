"""Notifications: each one is handled, then written down with what became of it, then answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
import structlog
from django.utils import timezone

from core.cache.ratelimit import hit
from core.db.purge import BATCH, rows_purge
from payments.errors import PaymentError, PaymentUnknown
from payments.gateways.base import GatewayMisconfigured, NoticeRefused, PaymentResult, RefundResult
from payments.gateways.wechat import gateway_v3, merchants
from payments.gateways.wechat.notices import read_v2, read_v3
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import InboundEvent
from payments.services.confirm import payment_confirm
from payments.services.refund import STATE_OF, refund_settle

log = structlog.get_logger("payments")
MAX_BODY = 64 * 1024  # a real one has 1 to 3 KiB
KEPT_OF_TOO_LONG = 4 * 1024
MAX_HEADERS, MAX_HEADER_CHARS = 40, 1024
REFUSED_PER_MINUTE = 600  # of one address; more are refused all the same, but not written down
KEEP = timedelta(days=90)
_PRIVATE = {"authorization", "cookie", "proxy-authorization", "x-csrftoken"}

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
class Finding:
    """What became of it. ``reason`` is Chinese, for the provider and the journal; ``http_status`` for v3."""

    verdict: str
    reason: str
    http_status: int
    kind: str = ""
    out_trade_no: str = ""

    @property
    def accepted(self) -> bool:
        return self.verdict == Verdict.ACCEPTED


def notice_take(
    *, channel: str, headers: Mapping[str, str], body: bytes, size: int, remote_ip: str, now: datetime
) -> Finding:
    """Handle a notification and write it into the journal. By the time this returns, both are committed."""
    notice = Notice(channel, _kept_headers(headers), body, size, now)
    finding = notice_handle(notice, now=now)
    if finding.accepted or _worth_writing(remote_ip):
        InboundEvent.objects.create(
            channel=channel,
            received_at=now,
            remote_ip=remote_ip[:45],
            headers=dict(notice.headers),
            body=body if size <= MAX_BODY else body[:KEPT_OF_TOO_LONG],
            body_size=size,
            handled_at=timezone.now(),
            **_columns(finding),
        )
    return finding


def notice_handle(notice: Notice, *, now: datetime) -> Finding:
    """Check it, act on it, say what became of it. Never raises; replaying goes the same way."""
    kind = number = ""
    try:
        result = _read(notice)
        kind, number = _about(result)
        if isinstance(result, PaymentResult):
            payment_confirm(result=result, now=now, source=f"notify_{notice.channel}")
        else:
            refund_settle(result=result, now=now, source=f"微信通知({notice.channel})")
    except NoticeRefused as error:
        return Finding(Verdict.REFUSED, str(error), error.http_status, kind, number)
    except PaymentUnknown as error:
        return Finding(Verdict.REFUSED, error.msg, 404, kind, number)
    except PaymentError as error:
        return Finding(Verdict.REFUSED, error.msg, 400, kind, number)
    except GatewayMisconfigured as error:
        log.error("notification not understood", reason=str(error))
        return Finding(Verdict.FAILED, "商户参数未配置", 500, kind, number)
    except Exception:
        # Whatever it is, the provider must hear a failure in its own format, and send it again.
        log.exception("notification failed", channel=notice.channel, out_trade_no=number)
        return Finding(Verdict.FAILED, "处理失败", 500, kind, number)
    return Finding(Verdict.ACCEPTED, "处理成功", 200, kind, number)


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


def _columns(finding: Finding) -> dict[str, object]:
    return {
        "verdict": finding.verdict,
        "result": finding.reason[:255],
        "http_status": finding.http_status,
        "kind": finding.kind,
        "out_trade_no": finding.out_trade_no,
    }


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Spelt as WeChat spells them, without what is nobody's business, bounded, storable."""
    kept = {}
    for name, value in list(headers.items())[:MAX_HEADERS]:
        if name.lower() not in _PRIVATE:
            kept[name.title()[:100]] = value[:MAX_HEADER_CHARS].replace("\x00", "")
    return kept


def _worth_writing(remote_ip: str) -> bool:
    """A flood of forgeries must not fill the disk."""
    try:
        return not hit(f"payments:refused:{remote_ip}", limit=REFUSED_PER_MINUTE, window_s=60)
    except redis.RedisError:
        return True


def event_replay(*, event_id: int, now: datetime) -> InboundEvent:
    """Handle a journaled notification once more, as if it came when it came.

    :raises InboundEvent.DoesNotExist: no such event.
    """
    event = InboundEvent.objects.get(pk=event_id)
    notice = Notice(event.channel, event.headers, bytes(event.body), event.body_size, event.received_at)
    for name, value in _columns(notice_handle(notice, now=now)).items():
        setattr(event, name, value)
    event.handled_at = now
    event.replays += 1
    event.save(update_fields=["verdict", "result", "http_status", "kind", "out_trade_no", "handled_at", "replays"])
    return event


def events_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete what is older than 90 days; answer how many."""
    return rows_purge(InboundEvent.objects.filter(received_at__lt=now - KEEP), batch=batch)
