"""WeChat Pay v3: JSON, HTTP statuses, and every request and answer signed."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from sandbox.faults import View, faults_on, provider_endpoint
from sandbox.models import FaultKind, Refund
from sandbox.pay.bills import bill_text
from sandbox.pay.describe import refund_v3, trade_v3
from sandbox.pay.errors import ADDRESS, FEN, OUT_REFUND_NO, OUT_TRADE_NO, TEXT, Reason, Refused, checked
from sandbox.pay.rsa import request_check, signature_headers
from sandbox.pay.trades import refund_create, refunds_settle, trade_close, trade_find

Body = dict[str, Any]
Call = Callable[[Body, datetime], Body | bytes | None]


def v3_endpoint(call: Call) -> View:
    """Make a view of a call, which returns JSON, a file, or None for HTTP 204.

    The call gets the fields of path, query and body.
    """

    @provider_endpoint(slow=FaultKind.PROVIDER_SLOW, down=FaultKind.PROVIDER_DOWN, lost=FaultKind.ANSWER_LOST)
    def view(request: HttpRequest, **path: str) -> HttpResponse:
        try:
            request_check(request, now=timezone.now())
            content = call(request.GET.dict() | _json(request.body) | path, timezone.now())
            return _answer(204 if content is None else 200, content)
        except Refused as refusal:
            return _answer(refusal.reason.v3_status, {"code": refusal.reason.v3_code, "message": refusal.text})

    return view


def _json(raw: bytes) -> Body:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(Reason.PARAM, "body不是合法的JSON对象")
    return body


def _answer(status: int, content: Body | bytes | None) -> HttpResponse:
    if isinstance(content, bytes):  # a file is not signed: the answer that named its address holds its digest
        return HttpResponse(content, content_type="application/octet-stream")
    raw = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
    headers = {}
    if status != 401:  # a caller that is not the merchant gets no signature
        headers = signature_headers(raw, is_forged=FaultKind.ANSWER_UNSIGNED in faults_on())
    return HttpResponse(raw, status=status, headers=headers, content_type="application/json; charset=utf-8")


@v3_endpoint
def order_by_number(body: Body, now: datetime) -> Body:
    return trade_v3(trade_find(out_trade_no=checked(body, "out_trade_no", OUT_TRADE_NO)))


@v3_endpoint
def order_close(body: Body, now: datetime) -> None:
    trade_close(out_trade_no=checked(body, "out_trade_no", OUT_TRADE_NO), now=now)


@v3_endpoint
def refund_apply(body: Body, now: datetime) -> Body:
    draft = Refund(
        trade=trade_find(transaction_id=checked(body, "transaction_id", r"[0-9]{1,32}")),
        out_refund_no=checked(body, "out_refund_no", OUT_REFUND_NO),
        refund_fee=int(checked(body, "amount.refund", FEN)),
        reason=checked(body, "reason", TEXT) if body.get("reason") else "",
        notify_url=checked(body, "notify_url", ADDRESS) if body.get("notify_url") else "",
    )
    return refund_v3(refund_create(draft=draft, total_fee=int(checked(body, "amount.total", FEN)), now=now))


@v3_endpoint
def refund_query(body: Body, now: datetime) -> Body:
    rows = Refund.objects.select_related("trade")
    rows = rows.filter(out_refund_no=checked(body, "out_refund_no", OUT_REFUND_NO))
    refunds_settle(now=now, refunds=rows)
    refund = rows.first()
    if refund is None:
        raise Refused(Reason.REFUND_UNKNOWN)
    return refund_v3(refund)


@v3_endpoint
def bill_ask(body: Body, now: datetime) -> Body:
    day = checked(body, "bill_date", r"[0-9-]{10}")
    digest = hashlib.sha1(bill_text(bill_date=day, now=now), usedforsecurity=False).hexdigest()
    return {
        "hash_type": "SHA1",
        "hash_value": digest,
        # The real provider names its own host, too, whichever of its hosts was called.
        "download_url": f"https://api.mch.weixin.qq.com/v3/billdownload/file?token={day}",
    }


@v3_endpoint
def bill_download(body: Body, now: datetime) -> bytes:
    return bill_text(bill_date=checked(body, "token", r"[0-9-]{10}"), now=now)
