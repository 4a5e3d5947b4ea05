"""WeChat Pay v2: requests and answers in XML, always with HTTP 200."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from sandbox.endpoint import View, provider_endpoint
from sandbox.faults import faults_on
from sandbox.models import FaultKind
from sandbox.pay import fields, xml
from sandbox.pay.describe import trade_v2
from sandbox.pay.errors import BadField, Reason, Refused
from sandbox.pay.merchant import merchant
from sandbox.pay.numbers import BEIJING, base62
from sandbox.pay.trades import NewTrade, trade_close, trade_create, trade_find

Fields = dict[str, str]
Call = Callable[[Fields, datetime], Fields]

TRADE_TYPES = {"NATIVE", "JSAPI", "APP"}
# WeChat documents one minute, but the live service refuses less than five.
SHORTEST_TO_PAY = timedelta(minutes=5)
_UNSIGNED = {"sign", "nonce_str"}  # they differ even between equal orders


def v2_endpoint(call: Call) -> View:
    """Make a view of a call. A refusal of the request itself is unsigned; a business answer is signed."""

    @provider_endpoint(slow=FaultKind.PROVIDER_SLOW, down=FaultKind.PROVIDER_DOWN, lost=FaultKind.ANSWER_LOST)
    def view(request: HttpRequest) -> HttpResponse:
        try:
            asked = _read(request)
            if asked["appid"] != merchant().appid:
                raise Refused(Reason.APPID)
            outcome = {"result_code": "SUCCESS"} | call(asked, timezone.now())
        except Refused as refusal:
            if isinstance(refusal, BadField) or refusal.reason in {Reason.SIGN, Reason.MCH}:
                return _xml({"return_code": "FAIL", "return_msg": refusal.text})
            outcome = {"result_code": "FAIL", "err_code": refusal.reason.v2_code, "err_code_des": refusal.text}
        return _signed(outcome, sign_type=asked.get("sign_type") or "MD5")

    return view


def _read(request: HttpRequest) -> Fields:
    if request.method != "POST":
        raise BadField("REQUIRE_POST_METHOD ", "请使用post方法")
    try:
        asked = xml.parse(request.body)
    except ValueError:
        raise BadField("XML_FORMAT_ERROR ", "XML格式错误") from None
    sign_type = asked.get("sign_type") or "MD5"
    fields.text("nonce_str", asked.get("nonce_str"), 32, required=True)
    if asked.get("mch_id") != merchant().mch_id:
        raise Refused(Reason.MCH, "mch_id参数缺失" if not asked.get("mch_id") else "商户号mch_id不存在")
    if sign_type not in xml.SIGN_TYPES or not xml.is_signed(asked, key=merchant().api_key, sign_type=sign_type):
        raise Refused(Reason.SIGN)
    if not asked.get("appid"):
        raise BadField("appid", "参数缺失")
    return asked


def _signed(outcome: Fields, *, sign_type: str) -> HttpResponse:
    known = merchant()
    head = {"return_code": "SUCCESS", "return_msg": "OK", "appid": known.appid, "mch_id": known.mch_id}
    unsigned = head | {"nonce_str": base62(32)} | outcome
    key = base62(32) if FaultKind.ANSWER_UNSIGNED in faults_on() else known.api_key
    return _xml(unsigned | {"sign": xml.sign(unsigned, key=key, sign_type=sign_type)})


def _xml(body: Fields) -> HttpResponse:
    return HttpResponse(xml.render(body), content_type="text/plain; charset=utf-8")


@v2_endpoint
def unifiedorder(asked: Fields, now: datetime) -> Fields:
    code = trade_create(new=_new_trade(asked, now), now=now)
    outcome = {"trade_type": asked["trade_type"], "prepay_id": code.prepay_id}
    if asked["trade_type"] == "NATIVE":
        outcome["code_url"] = code.code_url
    return outcome


def _new_trade(asked: Fields, now: datetime) -> NewTrade:
    kind = asked.get("trade_type", "")
    if kind not in TRADE_TYPES:
        raise BadField("trade_type", "参数错误")
    if asked.get("fee_type", "CNY") != "CNY":
        raise BadField("fee_type", "只支持CNY")
    for name, limit in {"device_info": 32, "detail": 6000, "goods_tag": 32, "limit_pay": 32, "receipt": 8}.items():
        fields.text(name, asked.get(name), limit)
    fields.text("spbill_create_ip", asked.get("spbill_create_ip"), 64, required=True)
    fields.text("product_id", asked.get("product_id"), 32, required=kind == "NATIVE")
    compared = {name: value for name, value in sorted(asked.items()) if name not in _UNSIGNED}
    return NewTrade(
        out_trade_no=fields.matching("out_trade_no", asked.get("out_trade_no"), fields.OUT_TRADE_NO),
        trade_type=kind,
        body=fields.text("body", asked.get("body"), 127, required=True),
        attach=fields.text("attach", asked.get("attach"), 127),
        total_fee=fields.fee_text("total_fee", asked.get("total_fee")),
        notify_url=fields.notify_url("notify_url", asked.get("notify_url"), required=True),
        expires_at=_expiry(asked, now),
        openid=fields.text("openid", asked.get("openid"), 128, required=kind == "JSAPI"),
        sign_type=asked.get("sign_type") or "MD5",
        fingerprint=hashlib.sha256(json.dumps(compared).encode()).hexdigest(),
    )


def _expiry(asked: Fields, now: datetime) -> datetime | None:
    starts_at = _time14("time_start", asked.get("time_start")) or now
    expires_at = _time14("time_expire", asked.get("time_expire"))
    if expires_at is None:
        return None
    # An order that is placed again keeps its deadline, which may be near by now; only a new one must last long enough.
    if expires_at - max(starts_at, now) < SHORTEST_TO_PAY and not _is_known(asked):
        raise Refused(Reason.TIME_EXPIRE)
    return expires_at


def _is_known(asked: Fields) -> bool:
    try:
        trade_find(out_trade_no=asked.get("out_trade_no", ""))
    except Refused:
        return False
    return True


def _time14(name: str, value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        if not re.fullmatch(r"[0-9]{14}", value):
            raise ValueError
        return datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        raise BadField(name, "格式错误，应为yyyyMMddHHmmss") from None


@v2_endpoint
def orderquery(asked: Fields, now: datetime) -> Fields:
    trade = trade_find(**_which(asked))
    state = {"trade_state": trade.state, "trade_state_desc": trade.get_state_display()}
    if trade.is_paid:
        return trade_v2(trade) | state
    return state | {"out_trade_no": trade.out_trade_no, "total_fee": str(trade.total_fee), "attach": trade.attach}


def _which(asked: Fields) -> dict[str, str]:
    if number := asked.get("transaction_id"):
        return {"transaction_id": fields.text("transaction_id", number, 32)}
    return {"out_trade_no": fields.matching("out_trade_no", asked.get("out_trade_no"), fields.OUT_TRADE_NO)}


@v2_endpoint
def closeorder(asked: Fields, now: datetime) -> Fields:
    number = fields.matching("out_trade_no", asked.get("out_trade_no"), fields.OUT_TRADE_NO)
    try:
        trade_close(out_trade_no=number, now=now)
    except Refused as refusal:
        # The live service answers success even for an order that never existed.
        if refusal.reason is not Reason.ORDER_UNKNOWN:
            raise
    return {}
