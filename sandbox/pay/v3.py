"""WeChat Pay v3: JSON, HTTP statuses, and every request and answer signed."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from sandbox.endpoint import View, provider_endpoint
from sandbox.faults import faults_on
from sandbox.models import FaultKind, Refund
from sandbox.pay import fields
from sandbox.pay.bills import bill_file, bill_make
from sandbox.pay.describe import refund_v3, trade_v3
from sandbox.pay.errors import BadField, Reason, Refused
from sandbox.pay.merchant import merchant
from sandbox.pay.numbers import rfc3339
from sandbox.pay.refunds import NewRefund, refund_create, refund_divert, refunds_settle
from sandbox.pay.rsa import SignedRequest, decrypt, encrypt, request_check, signature_headers, signing_serial
from sandbox.pay.trades import trade_close, trade_find

# A merchant signs the path without this prefix, because at the real provider the paths begin at the host's root.
PREFIX = "/sandbox/wxpay"
# Debit cards that an abnormal refund may go to.
BANKS = {
    "ICBC_DEBIT": "工商银行",
    "ABC_DEBIT": "农业银行",
    "BOC_DEBIT": "中国银行",
    "CCB_DEBIT": "建设银行",
    "COMM_DEBIT": "交通银行",
    "PSBC_DEBIT": "邮储银行",
    "CMB_DEBIT": "招商银行",
    "CITIC_DEBIT": "中信银行",
    "CEB_DEBIT": "光大银行",
    "CMBC_DEBIT": "民生银行",
    "CIB_DEBIT": "兴业银行",
    "SPDB_DEBIT": "浦发银行",
    "PAB_DEBIT": "平安银行",
    "GDB_DEBIT": "广发银行",
    "NBCB_DEBIT": "宁波银行",
}
Body = dict[str, Any]
Call = Callable[..., Body | None]


def v3_endpoint(**calls: Call) -> View:
    """Make a view of a call for each method (``GET=…``, ``POST=…``). A call returns its JSON, or None for HTTP 204."""

    @provider_endpoint(slow=FaultKind.PROVIDER_SLOW, down=FaultKind.PROVIDER_DOWN, lost=FaultKind.ANSWER_LOST)
    def view(request: HttpRequest, **path: str) -> HttpResponse:
        serial = merchant().certificate_serial
        try:
            request_check(_signed_request(request), now=timezone.now())
            serial = signing_serial(request.headers.get("Wechatpay-Serial", ""))
            call = calls.get(request.method or "")
            if call is None:
                return _answer(405, {"code": "INVALID_REQUEST", "message": "请求方法不支持"}, serial)
            facts = {"body": _json(request), "query": request.GET, "root": request.build_absolute_uri(PREFIX)}
            content = call(**facts, serial=serial, now=timezone.now(), **path)
            return _answer(204 if content is None else 200, content, serial)
        except Refused as refusal:
            return _answer(refusal.reason.v3_status, _error(refusal), serial)

    return view


def _signed_request(request: HttpRequest) -> SignedRequest:
    target = request.get_full_path().removeprefix(PREFIX)
    return SignedRequest(request.method or "", target, request.body, request.headers.get("Authorization", ""))


def _json(request: HttpRequest) -> Body:
    if request.method == "GET":
        return {}
    if request.content_type != "application/json":
        raise BadField("Content-Type", "请求头必须是application/json")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadField("body", "不是合法的JSON") from None
    if not isinstance(body, dict):
        raise BadField("body", "必须是JSON对象")
    return body


def _error(refusal: Refused) -> Body:
    detail = {"detail": {"field": refusal.field, "location": "body"}} if isinstance(refusal, BadField) else {}
    return {"code": refusal.reason.v3_code, "message": refusal.text, **detail}


def _answer(status: int, content: Body | None, serial: str) -> HttpResponse:
    raw = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
    headers = {}
    if status != 401:  # a caller that is not the merchant gets no signature
        headers = signature_headers(raw, serial=serial, is_forged=FaultKind.ANSWER_UNSIGNED in faults_on())
    return HttpResponse(raw, status=status, headers=headers, content_type="application/json; charset=utf-8")


def _check_mchid(mchid: object) -> None:
    if not mchid:
        raise BadField("mchid", "参数缺失")
    if mchid != merchant().mch_id:
        raise Refused(Reason.MCH, "商户号与签名的商户号不一致")


def _object(name: str, value: object) -> Body:
    if not isinstance(value, dict):
        raise BadField(name, "参数缺失或不是对象")
    return value


def _currency(amount: Body) -> None:
    if amount.get("currency", "CNY") != "CNY":
        raise BadField("amount.currency", "只支持CNY")


def order_by_number(*, query: Any, out_trade_no: str, **_: Any) -> Body:
    _check_mchid(query.get("mchid"))
    return trade_v3(trade_find(out_trade_no=fields.text("out_trade_no", out_trade_no, 32)))


def order_close(*, body: Body, now: datetime, out_trade_no: str, **_: Any) -> None:
    _check_mchid(body.get("mchid"))
    trade_close(out_trade_no=fields.text("out_trade_no", out_trade_no, 32), now=now)


def refund_apply(*, body: Body, serial: str, now: datetime, **_: Any) -> Body:
    amount = _object("amount", body.get("amount"))
    if "currency" not in amount:
        raise BadField("amount.currency", "参数缺失")
    _currency(amount)
    new = NewRefund(
        trade=_refunded_trade(body),
        out_refund_no=fields.matching("out_refund_no", body.get("out_refund_no"), fields.OUT_REFUND_NO),
        total_fee=fields.fee("amount.total", amount.get("total")),
        refund_fee=fields.fee("amount.refund", amount.get("refund")),
        reason=fields.text("reason", body.get("reason"), 80, in_bytes=True),
        notify_url=fields.notify_url("notify_url", body.get("notify_url"), required=False),
        signed_by=serial,
    )
    return refund_v3(refund_create(new=new, now=now))


def _refunded_trade(body: Body) -> Any:
    if body.get("transaction_id"):
        return trade_find(transaction_id=fields.text("transaction_id", body["transaction_id"], 32))
    number = fields.matching("out_trade_no", body.get("out_trade_no"), fields.OUT_TRADE_NO)
    return trade_find(out_trade_no=number)


def refund_divert_apply(*, body: Body, serial: str, now: datetime, refund_id: str, **_: Any) -> Body:
    kind = body.get("type")
    if kind not in ("USER_BANK_CARD", "MERCHANT_BANK_CARD"):
        raise BadField("type", "参数错误")
    refund = refund_divert(
        refund_id=fields.text("refund_id", refund_id, 32),
        out_refund_no=fields.matching("out_refund_no", body.get("out_refund_no"), fields.OUT_REFUND_NO),
        receiver="商户结算银行账户" if kind == "MERCHANT_BANK_CARD" else _card(body, serial),
        now=now,
    )
    return refund_v3(refund)


def _card(body: Body, serial: str) -> str:
    """Check number and name of a bank card, which come encrypted. Return the card by its last digits, for the payer."""
    bank = fields.text("bank_type", body.get("bank_type"), 32, required=True)
    if bank not in BANKS:
        raise BadField("bank_type", "不支持的银行")
    number = decrypt("bank_account", body.get("bank_account"), serial=serial)
    if not re.fullmatch(r"[0-9]{12,19}", number):
        raise BadField("bank_account", "不是银行卡号")
    fields.text("real_name", decrypt("real_name", body.get("real_name"), serial=serial), 64, required=True)
    return f"{BANKS[bank]}借记卡{number[-4:]}"


def refund_query(*, now: datetime, out_refund_no: str, **_: Any) -> Body:
    rows = Refund.objects.select_related("trade").filter(out_refund_no=fields.text("out_refund_no", out_refund_no, 64))
    found = list(rows)
    if not found:
        raise Refused(Reason.REFUND_UNKNOWN)
    refunds_settle(now=now, refunds=found)
    return refund_v3(rows.get())


def bill_ask(*, query: Any, root: str, now: datetime, **_: Any) -> Body:
    made = bill_make(
        bill_date=fields.text("bill_date", query.get("bill_date"), 10, required=True),
        bill_type=query.get("bill_type", "ALL"),
        tar_type=query.get("tar_type", ""),
        now=now,
    )
    address = f"{root}/v3/billdownload/file?token={made.token}"
    return {"hash_type": "SHA1", "hash_value": made.sha1, "download_url": address}


@provider_endpoint(slow=FaultKind.PROVIDER_SLOW, down=FaultKind.PROVIDER_DOWN, lost=FaultKind.ANSWER_LOST)
def bill_download(request: HttpRequest) -> HttpResponse:
    """Send a bill's file to the merchant. It is not signed; the answer that named its address holds its digest."""
    try:
        request_check(_signed_request(request), now=timezone.now())
        return HttpResponse(bill_file(request.GET.get("token", "")), content_type="application/octet-stream")
    except Refused as refusal:
        return _answer(refusal.reason.v3_status, _error(refusal), merchant().certificate_serial)


def certificates(**_: Any) -> Body:
    known = merchant()
    row = {
        "serial_no": known.certificate_serial,
        "effective_time": rfc3339(known.certificate.not_valid_before_utc),
        "expire_time": rfc3339(known.certificate.not_valid_after_utc),
        "encrypt_certificate": encrypt(known.certificate_pem.encode(), associated_data="certificate"),
    }
    return {"data": [row]}


def unknown(**_: Any) -> Body:
    raise Refused(Reason.REFUND_UNKNOWN, "接口不存在")
