"""Reading notifications: checks the signature of the raw bytes and returns the result, or raises why not.

Whether a result fits an order of ours is not checked here but in ``payment_confirm``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from payments.errors import NoticeRefused, NoticeUnfit, ProviderUntrusted
from payments.gateways.base import PaymentResult, RefundResult
from payments.gateways.wechat.merchant import Merchant
from payments.gateways.wechat.v2 import in_v3_form, is_authentic, read_flat
from payments.gateways.wechat.v3 import WeChatV3, read_refund, read_transaction, signature_problem

_V3_REFUNDS = {"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"}


def read_v2(raw: bytes, merchants: Sequence[Merchant]) -> PaymentResult:
    """Read a payment notification of v2, for whichever of the ``merchants`` it is.

    :raises NoticeRefused: forged, malformed, for another merchant, or not of a success; where the signature has
        proved who sent it, ``NoticeUnfit``.
    """
    try:
        fields = read_flat(raw)
    except ValueError:
        raise NoticeRefused("报文格式错误") from None
    if fields.get("return_code") != "SUCCESS":
        raise NoticeRefused("return_code不是成功")
    # A forger may name any merchant, but cannot sign with its key.
    who = next((one for one in merchants if one.mch_id and one.mch_id == fields.get("mch_id")), None)
    if who is None:
        raise NoticeRefused("mch_id不匹配")
    if not fields.get("appid"):
        raise NoticeRefused("appid不匹配")  # payment_confirm checks that it is the payment's
    if not is_authentic(fields, who.api_key):
        raise NoticeRefused("签名错误", http_status=401)
    if fields.get("result_code") != "SUCCESS":
        raise NoticeUnfit("result_code不是成功")
    # Answers to our own calls are signed in the same way: to a query, and about refunds.
    if fields.get("trade_state", "SUCCESS") != "SUCCESS":
        raise NoticeUnfit("trade_state不是成功")
    if "out_refund_no" in fields or "out_refund_no_0" in fields:
        raise NoticeUnfit("不是支付通知")
    try:
        return read_transaction(in_v3_form(fields, "SUCCESS"), who.mch_id)
    except (ValueError, ProviderUntrusted):
        raise NoticeUnfit("参数格式错误") from None


def read_v3(
    headers: Mapping[str, str], raw: bytes, gateways: Sequence[WeChatV3], at: datetime
) -> PaymentResult | RefundResult:
    """Read a payment or refund notification of v3, for whichever of the gateways' merchants it is.

    :param headers: case-insensitive, or spelt like ``Wechatpay-Signature``.
    :param at: when it came in; its time stamp is measured against it.
    :raises NoticeRefused: forged, stale, malformed, for another merchant, or not of a success; where signature and
        key have proved who sent it and to whom, ``NoticeUnfit``.
    """
    problems = [signature_problem(gateway.keys, headers, raw, at.timestamp()) for gateway in gateways]
    authentic = [gateway for gateway, problem in zip(gateways, problems, strict=True) if not problem]
    if not authentic:
        raise NoticeRefused(problems[0], http_status=401)
    try:
        notice = orjson.loads(raw)
        event, resource = notice["event_type"], notice["resource"]
        content, who = _decrypt(resource, authentic)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoticeRefused("报文格式错误或解密失败") from None
    try:
        if event == "TRANSACTION.SUCCESS":
            # payment_confirm checks that the appid is the payment's.
            result: PaymentResult | RefundResult = read_transaction(content, who.mch_id)
        elif event in _V3_REFUNDS:
            result = read_refund(content, "refund_status")
        else:
            raise NoticeUnfit("不支持的event_type")
    except ProviderUntrusted:
        raise NoticeUnfit("通知内容与商户信息不符或不完整") from None
    if isinstance(result, PaymentResult) and (result.trade_state != "SUCCESS" or not result.appid):
        raise NoticeUnfit("trade_state不是成功, 或没有appid")
    if result.mch_id != who.mch_id:
        raise NoticeUnfit("mchid不匹配")
    return result


def _decrypt(resource: Mapping[str, str], gateways: Sequence[WeChatV3]) -> tuple[Any, Merchant]:
    """Decrypt the resource; return its content and the merchant whose APIv3 key opened it.

    The signature does not tell the merchant, since the provider signs for several with one certificate.

    :raises ValueError: none of the keys opens it.
    """
    for gateway in gateways:
        try:
            return orjson.loads(gateway.decrypt(resource)), gateway.who
        except ValueError:
            continue
    raise ValueError("unknown key")
