"""WeChat Pay v2: requests and answers in XML, always with HTTP 200."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.times import SHANGHAI
from sandbox.faults import View, faults_on, provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind, Trade
from sandbox.pay.describe import trade_v2
from sandbox.pay.errors import ADDRESS, FEN, OUT_TRADE_NO, TEXT, Reason, Refused, checked, optional
from sandbox.pay.signing import is_signed, parse_xml, render_signed, render_xml
from sandbox.pay.trades import trade_find, trade_place

Fields = dict[str, str]

# Reasons to refuse the request itself; such an answer is unsigned.
_UNSIGNED = {Reason.PARAM, Reason.SIGN, Reason.MCH}


def v2_endpoint(call: Callable[[Fields], Fields]) -> View:
    """Make a view of a call."""

    @provider_endpoint("provider", lost=FaultKind.ANSWER_LOST)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(_answer(request.body, call), content_type="text/plain; charset=utf-8")

    return view


def _answer(raw: bytes, call: Callable[[Fields], Fields]) -> str:
    appids = [sandbox_values()[name] for name in ("WECHAT_APP_ID", "WECHAT_MINI_APP_ID")]
    fields: Fields = {}
    try:
        fields = _read(raw)
        if fields.get("appid") not in appids:
            raise Refused(Reason.APPID)
        outcome = {"result_code": "SUCCESS"} | call(fields)
    except Refused as refusal:
        if refusal.reason in _UNSIGNED:
            return render_xml({"return_code": "FAIL", "return_msg": refusal.text})
        outcome = {"result_code": "FAIL", "err_code": refusal.reason.v2_code, "err_code_des": refusal.text}
    head = {"return_code": "SUCCESS", "return_msg": "OK", "appid": fields.get("appid", "")}
    return render_signed(head | outcome, is_forged=FaultKind.ANSWER_UNSIGNED in faults_on())


def _read(raw: bytes) -> Fields:
    try:
        fields = parse_xml(raw)
    except ValueError:
        raise Refused(Reason.PARAM, "XML_FORMAT_ERROR XML格式错误") from None
    if fields.get("mch_id") != sandbox_values()["WECHAT_PAY_MCH_ID"]:
        raise Refused(Reason.MCH)
    if not is_signed(fields):
        raise Refused(Reason.SIGN)
    return fields


@v2_endpoint
def unifiedorder(fields: Fields) -> Fields:
    kind = checked(fields, "trade_type", "NATIVE|JSAPI|APP")
    # These two differ even between equal orders.
    content = {name: value for name, value in sorted(fields.items()) if name not in ("sign", "nonce_str")}
    draft = Trade(
        appid=fields["appid"],
        out_trade_no=checked(fields, "out_trade_no", OUT_TRADE_NO),
        trade_type=kind,
        body=checked(fields, "body", TEXT),
        attach=optional(fields, "attach", TEXT),
        total_fee=int(checked(fields, "total_fee", FEN)),
        notify_url=checked(fields, "notify_url", ADDRESS),
        expires_at=_time14(checked(fields, "time_expire", r"[0-9]{14}")),
        openid=checked(fields, "openid", TEXT) if kind == "JSAPI" else "",
        fingerprint=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    )
    trade = trade_place(draft, now=timezone.now())
    more = {"code_url": trade.code_url} if kind == "NATIVE" else {}
    return {"trade_type": kind, "prepay_id": trade.prepay_id} | more


def _time14(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
    except ValueError:
        raise Refused(Reason.PARAM, "time_expire格式错误，应为yyyyMMddHHmmss") from None


@v2_endpoint
def orderquery(fields: Fields) -> Fields:
    trade = trade_find(out_trade_no=checked(fields, "out_trade_no", OUT_TRADE_NO))
    return trade_v2(trade) | {"trade_state": trade.state, "trade_state_desc": trade.get_state_display()}
