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
from sandbox.pay import xml
from sandbox.pay.describe import trade_appid, trade_v2
from sandbox.pay.errors import ADDRESS, FEN, OUT_TRADE_NO, TEXT, Reason, Refused, checked
from sandbox.pay.trades import trade_create, trade_find

Fields = dict[str, str]
Call = Callable[[Fields, datetime], Fields]

# Reasons to refuse the request itself; such an answer is unsigned.
_UNSIGNED = {Reason.PARAM, Reason.SIGN, Reason.MCH}


def v2_endpoint(call: Call) -> View:
    """Make a view of a call."""

    @provider_endpoint(slow=FaultKind.PROVIDER_SLOW, down=FaultKind.PROVIDER_DOWN, lost=FaultKind.ANSWER_LOST)
    def view(request: HttpRequest) -> HttpResponse:
        apps = [sandbox_values()[name] for name in ("WECHAT_APP_ID", "WECHAT_MINI_APP_ID")]
        appid = apps[0]
        try:
            call_fields = _read(request)
            appid = call_fields.get("appid", appid)
            if call_fields.get("appid") not in apps:
                raise Refused(Reason.APPID)
            outcome = {"result_code": "SUCCESS"} | call(call_fields, timezone.now())
        except Refused as refusal:
            if refusal.reason in _UNSIGNED:
                return _answer(xml.render({"return_code": "FAIL", "return_msg": refusal.text}))
            outcome = {"result_code": "FAIL", "err_code": refusal.reason.v2_code, "err_code_des": refusal.text}
        fields = {"return_code": "SUCCESS", "return_msg": "OK", "appid": appid} | outcome
        is_forged = FaultKind.ANSWER_UNSIGNED in faults_on()
        return _answer(xml.render_signed(fields, is_forged=is_forged))

    return view


def _read(request: HttpRequest) -> Fields:
    try:
        fields = xml.parse(request.body)
    except ValueError:
        raise Refused(Reason.PARAM, "XML_FORMAT_ERROR XML格式错误") from None
    if fields.get("mch_id") != sandbox_values()["WECHAT_PAY_MCH_ID"]:
        raise Refused(Reason.MCH)
    if not xml.is_signed(fields):
        raise Refused(Reason.SIGN)
    return fields


def _answer(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@v2_endpoint
def unifiedorder(fields: Fields, now: datetime) -> Fields:
    kind = checked(fields, "trade_type", "NATIVE|JSAPI|APP")
    # These two differ even between equal orders.
    content = {name: value for name, value in sorted(fields.items()) if name not in ("sign", "nonce_str")}
    draft = Trade(
        appid=fields["appid"],
        out_trade_no=checked(fields, "out_trade_no", OUT_TRADE_NO),
        trade_type=kind,
        body=checked(fields, "body", TEXT),
        attach=checked(fields, "attach", TEXT) if fields.get("attach") else "",
        total_fee=int(checked(fields, "total_fee", FEN)),
        notify_url=checked(fields, "notify_url", ADDRESS),
        expires_at=_time14(fields, "time_expire"),
        openid=checked(fields, "openid", TEXT) if kind == "JSAPI" else "",
        fingerprint=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    )
    code = trade_create(draft=draft, now=now)
    return {"trade_type": kind, "prepay_id": code.prepay_id} | ({"code_url": code.code_url} if kind == "NATIVE" else {})


def _time14(fields: Fields, name: str) -> datetime:
    try:
        return datetime.strptime(checked(fields, name, r"[0-9]{14}"), "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI)
    except ValueError:
        raise Refused(Reason.PARAM, f"{name}格式错误，应为yyyyMMddHHmmss") from None


@v2_endpoint
def orderquery(fields: Fields, now: datetime) -> Fields:
    trade = trade_find(out_trade_no=checked(fields, "out_trade_no", OUT_TRADE_NO))
    state = {"trade_state": trade.state, "trade_state_desc": trade.get_state_display()}
    if trade.is_paid:
        return trade_v2(trade) | state
    return state | {
        "appid": trade_appid(trade),
        "out_trade_no": trade.out_trade_no,
        "total_fee": str(trade.total_fee),
        "attach": trade.attach,
    }
