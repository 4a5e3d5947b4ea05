"""WeChat Pay v3: JSON, HTTP statuses, and every request and answer signed."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from sandbox.faults import View, faults_on, provider_endpoint
from sandbox.models import FaultKind, Refund
from sandbox.pay.bills import bill_text
from sandbox.pay.describe import refund_v3, rfc3339, trade_v3
from sandbox.pay.errors import ADDRESS, FEN, OUT_REFUND_NO, OUT_TRADE_NO, TEXT, Reason, Refused, checked, optional
from sandbox.pay.signing import request_check, signature_headers
from sandbox.pay.trades import refund_create, trade_close, trade_find

Body = dict[str, Any]


def v3_endpoint(call: Callable[[Body], Body | bytes | None]) -> View:
    """Make a view of a call, which returns JSON, a file, or None for HTTP 204.

    The call gets the fields of path, query and body.
    """

    @provider_endpoint("provider", lost=FaultKind.ANSWER_LOST)
    def view(request: HttpRequest, **path: str) -> HttpResponse:
        try:
            request_check(request, now=timezone.now())
            content = call(request.GET.dict() | _json(request.body) | path)
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
def order_by_number(body: Body) -> Body:
    return trade_v3(trade_find(out_trade_no=checked(body, "out_trade_no", OUT_TRADE_NO)))


@v3_endpoint
def order_close(body: Body) -> None:
    trade_close(checked(body, "out_trade_no", OUT_TRADE_NO))


@v3_endpoint
def refund_apply(body: Body) -> Body:
    draft = Refund(
        trade=trade_find(transaction_id=checked(body, "transaction_id", r"[0-9]{1,32}")),
        out_refund_no=checked(body, "out_refund_no", OUT_REFUND_NO),
        refund_fee=int(checked(body, "amount.refund", FEN)),
        reason=optional(body, "reason", TEXT),
        notify_url=optional(body, "notify_url", ADDRESS),
    )
    total_fee = int(checked(body, "amount.total", FEN))
    return _refund(refund_create(draft, total_fee=total_fee, now=timezone.now()))


@v3_endpoint
def refund_query(body: Body) -> Body:
    number = checked(body, "out_refund_no", OUT_REFUND_NO)
    refund = Refund.objects.select_related("trade").filter(out_refund_no=number).first()
    if refund is None:
        raise Refused(Reason.REFUND_UNKNOWN)
    return _refund(refund)


def _refund(refund: Refund) -> Body:
    state = refund.state  # once: it changes with the clock
    fields = refund_v3(refund, state)
    fields["amount"]["currency"] = "CNY"
    more = {"channel": "ORIGINAL", "create_time": rfc3339(refund.created_at), "funds_account": "UNSETTLED"}
    return fields | more | {"status": state, "promotion_detail": []}


@v3_endpoint
def bill_ask(body: Body) -> Body:
    day = checked(body, "bill_date", r"[0-9-]{10}")
    digest = hashlib.sha1(bill_text(day, now=timezone.now()), usedforsecurity=False).hexdigest()
    # The real provider names its own host, too, whichever of its hosts was called.
    address = f"https://api.mch.weixin.qq.com/v3/billdownload/file?token={day}"
    return {"hash_type": "SHA1", "hash_value": digest, "download_url": address}


@v3_endpoint
def bill_download(body: Body) -> bytes:
    return bill_text(checked(body, "token", r"[0-9-]{10}"), now=timezone.now())
