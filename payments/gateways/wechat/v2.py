"""WeChat Pay v2 (XML). wechatpy signs and writes the XML; sending and verifying are done here."""

import hmac
import logging
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from defusedxml.ElementTree import fromstring
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac, dict_to_xml

from core.times import SHANGHAI
from payments.errors import ProviderDown, ProviderUntrusted, WeChatRefused
from payments.gateways.base import PaymentIntent, PaymentResult, PaymentTicket
from payments.gateways.wechat.merchant import Merchant
from payments.gateways.wechat.shared import cut, plain, plausible_time, refusal, send
from payments.gateways.wechat.v3 import PAID_STATES, read_transaction

# At DEBUG wechatpy writes the API key into the log.
logging.getLogger("wechatpy").setLevel(logging.INFO)

MD5, HMAC = "MD5", "HMAC-SHA256"
BODY_BYTES = 127
PREPAY_ID_LENGTH, CODE_URL_LENGTH = 64, 512
# What a refusal without a code is about; the first word that is in its text counts.
_CODES_BY_WORD = {"签名": "SIGN_ERROR", "sign": "SIGN_ERROR", "openid": "OPENID_MISMATCH"}
_CODES_BY_WORD |= {"appid": "APPID_MCHID_NOT_MATCH", "mch_id": "MCH_NOT_EXISTS", "商户号": "MCH_NOT_EXISTS"}


def read_flat(raw: bytes | str, *, root: str = "xml") -> dict[str, str]:
    """Read ``<xml><name>text</name>...</xml>``, from any sender.

    :raises ValueError: not well-formed, a DTD, another root, nested or repeated fields.
    """
    try:
        tree = fromstring(raw, forbid_dtd=True)
    except (SyntaxError, LookupError) as error:
        raise ValueError("not well-formed") from error
    if tree.tag != root:
        raise ValueError("not the expected document")
    fields: dict[str, str] = {}
    for child in tree:
        if len(child) or child.tag in fields:
            raise ValueError("nested or repeated field")
        fields[child.tag] = child.text or ""
    return fields


def sign(fields: Mapping[str, Any], api_key: str, sign_type: str) -> str:
    """Sign all non-empty fields but ``sign``, upper-case hex."""
    contents = {name: value for name, value in fields.items() if name != "sign"}
    return calculate_signature_hmac(contents, api_key) if sign_type == HMAC else calculate_signature(contents, api_key)


def is_authentic(fields: Mapping[str, str], api_key: str) -> bool:
    """Check ``sign``. Its length tells the sign type, since WeChat notifies some HMAC orders with MD5."""
    signature = fields.get("sign", "")
    kind = {32: MD5, 64: HMAC}.get(len(signature))
    if kind is None or not api_key:
        return False
    return hmac.compare_digest(sign(fields, api_key, kind).encode(), signature.upper().encode())


def read_time(text: str, form: str = "%Y%m%d%H%M%S") -> datetime | None:
    """Read ``yyyyMMddHHmmss``, or another form, as Beijing time."""
    try:
        return plausible_time(datetime.strptime(text, form).replace(tzinfo=SHANGHAI))
    except ValueError:
        return None


def read_fen(fields: Mapping[str, str], name: str) -> int:
    """Return a field as an amount in fen.

    :raises ValueError: it is not a plain whole number.
    """
    if not re.fullmatch(r"[0-9]{1,12}", fields.get(name, "")):
        raise ValueError(f"{name} is not a number of fen")
    return int(fields[name])


def in_v3_form(fields: Mapping[str, str], trade_state: str) -> dict[str, Any]:
    """Return the fields of an order as v3 and the API document show them.

    The signed fields themselves stay here: a client with them could send them on as a notification.

    :raises ValueError: the amount of a paid order is missing or malformed.
    """
    content: dict[str, Any] = {
        "appid": fields.get("appid", ""),
        "mchid": fields.get("mch_id", ""),
        "out_trade_no": fields.get("out_trade_no", ""),
        "trade_state": trade_state,
        "trade_state_desc": fields.get("trade_state_desc", ""),
        "attach": fields.get("attach", ""),
        "payer": {"openid": fields["openid"]} if fields.get("openid") else {},
    }
    if trade_state in PAID_STATES:
        total, cash = read_fen(fields, "total_fee"), fields.get("cash_fee", "")
        currency = fields.get("fee_type") or "CNY"
        paid_at = read_time(fields.get("time_end", ""))
        content |= {
            "transaction_id": fields.get("transaction_id", ""),
            "trade_type": fields.get("trade_type", ""),
            "bank_type": fields.get("bank_type", ""),
            "success_time": paid_at.isoformat() if paid_at else "",
            "amount": {
                "total": total,
                "payer_total": int(cash) if cash.isdecimal() else total,
                "currency": currency,
                "payer_currency": fields.get("cash_fee_type") or currency,
            },
        }
    return content


def _transport_refusal(message: str) -> WeChatRefused:
    code = next((code for word, code in _CODES_BY_WORD.items() if word in message.lower()), "PARAM_ERROR")
    return WeChatRefused(code, message)


class WeChatV2:
    def __init__(self, who: Merchant) -> None:
        who.need("appid", "mch_id", "api_key")
        self._who = who

    def create(self, intent: PaymentIntent) -> PaymentTicket:
        """Place the order (统一下单). Equal intents make equal requests, which WeChat answers with one order."""
        fields = self._call(
            "unifiedorder",
            trade_type=intent.trade_type,
            body=_body_text(intent.description),
            total_fee=intent.amount_fen,
            fee_type=intent.currency,
            notify_url=intent.notify_url,
            spbill_create_ip=intent.client_ip,
            out_trade_no=intent.out_trade_no,
            openid=intent.openid if intent.trade_type == "JSAPI" else "",
            product_id=intent.out_trade_no if intent.trade_type == "NATIVE" else "",
            time_start=f"{intent.time_start.astimezone(SHANGHAI):%Y%m%d%H%M%S}",
            time_expire=f"{intent.time_expire.astimezone(SHANGHAI):%Y%m%d%H%M%S}",
        )
        ticket = PaymentTicket(prepay_id=fields.get("prepay_id", ""), code_url=fields.get("code_url", ""))
        if not ticket.prepay_id or (intent.trade_type == "NATIVE" and not ticket.code_url):
            raise ProviderUntrusted("the answer lacks prepay_id or code_url")
        if len(ticket.prepay_id) > PREPAY_ID_LENGTH or len(ticket.code_url) > CODE_URL_LENGTH:
            raise ProviderUntrusted("prepay_id or code_url is longer than documented")
        return ticket

    def query(self, out_trade_no: str) -> PaymentResult:
        fields, who = self._call("orderquery", out_trade_no=out_trade_no), self._who
        own = {"appid": who.appid, "mch_id": who.mch_id, "out_trade_no": out_trade_no}
        try:
            content = in_v3_form(own | fields, fields.get("trade_state", ""))
        except ValueError as error:
            raise ProviderUntrusted(str(error)) from None
        return read_transaction(content, who.mch_id, appids=who.appids, out_trade_no=out_trade_no)

    def close(self, out_trade_no: str) -> None:
        self._call("closeorder", out_trade_no=out_trade_no)

    def sdk_params(self, trade_type: str, prepay_id: str, now: datetime) -> dict[str, str]:
        """Sign what the client's SDK passes on, with the sign type of the order."""
        who, stamp, nonce = self._who, str(int(now.timestamp())), secrets.token_hex(16)
        if trade_type == "JSAPI":
            params = {
                "appId": who.appid,
                "timeStamp": stamp,
                "nonceStr": nonce,
                "package": f"prepay_id={prepay_id}",
                "signType": who.sign_type,
            }
            return params | {"paySign": sign(params, who.api_key, who.sign_type)}
        params = {
            "appid": who.appid,
            "partnerid": who.mch_id,
            "prepayid": prepay_id,
            "package": "Sign=WXPay",
            "noncestr": nonce,
            "timestamp": stamp,
        }
        return params | {"sign": sign(params, who.api_key, who.sign_type)}

    def _call(self, operation: str, **params: Any) -> dict[str, str]:
        """Sign, send, verify; return the fields of the answer. Empty fields are not sent."""
        who = self._who
        params |= {"appid": who.appid, "mch_id": who.mch_id, "nonce_str": secrets.token_hex(16)}
        if who.sign_type == HMAC:
            params["sign_type"] = HMAC
        params = {name: value for name, value in params.items() if value != ""}
        body = dict_to_xml(params, sign(params, who.api_key, who.sign_type))
        answer = send("POST", f"{who.base_url}/pay/{operation}", body=body, headers={"Content-Type": "text/xml"})
        try:
            fields = read_flat(answer.body)
        except ValueError:
            raise ProviderDown(f"HTTP {answer.status_code}, and no XML of WeChat's") from None
        if answer.status_code != 200 or fields.get("return_code") not in {"SUCCESS", "FAIL"}:
            raise ProviderDown(f"HTTP {answer.status_code}, and no return_code")
        if fields["return_code"] == "FAIL":
            raise _transport_refusal(fields.get("return_msg", ""))  # this layer is unsigned
        if not is_authentic(fields, who.api_key):
            raise ProviderUntrusted("the answer's signature is wrong")
        if fields.get("appid", who.appid) not in who.appids or fields.get("mch_id", who.mch_id) != who.mch_id:
            raise ProviderUntrusted("the answer is for another merchant")
        if fields.get("result_code") != "SUCCESS":
            raise refusal(fields.get("err_code", ""), fields.get("err_code_des", ""))
        return fields


def _body_text(description: str) -> str:
    """Fit the description into ``body``: plain text, nothing that ends a CDATA section, 127 bytes."""
    return cut(plain(description, BODY_BYTES).replace("]]>", "]] >"), BODY_BYTES) or "订单"
