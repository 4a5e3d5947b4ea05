"""Reading notifications: checks the signature of the raw bytes and returns the result, or raises why not.

Whether a result fits an order of ours is not checked here but in ``payment_confirm``.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from payments.errors import NoticeRefused, NoticeUnfit, ProviderUntrusted
from payments.gateways.base import PaymentResult, RefundResult
from payments.gateways.wechat.merchant import Merchant
from payments.gateways.wechat.shared import is_number
from payments.gateways.wechat.v2 import in_v3_form, is_authentic, read_fen, read_flat, read_time
from payments.gateways.wechat.v3 import WeChatV3, read_refund, read_transaction, signature_problem

_V2_REFUND_STATUS = {"SUCCESS": "SUCCESS", "CHANGE": "ABNORMAL", "REFUNDCLOSE": "CLOSED"}
_V3_REFUNDS = {"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"}


def read_v2(raw: bytes, merchants: Sequence[Merchant]) -> PaymentResult | RefundResult:
    """Read a payment or refund notification of v2, for whichever of the ``merchants`` it is.

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
    if "req_info" in fields:
        return _read_v2_refund(fields["req_info"], who, fields["appid"])
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


def _read_v2_refund(req_info: str, who: Merchant, appid: str) -> RefundResult:
    """Read the encrypted part. The outer XML is unsigned; only those who know our API key can encrypt the inner one."""
    if not who.api_key:
        raise NoticeRefused("商户未配置", http_status=500)
    try:
        fields = read_flat(_decrypt_v2(req_info, who.api_key), root="root")
        numbers = [fields["out_trade_no"], fields["out_refund_no"], fields["refund_id"]]
        if not all(is_number(number) for number in numbers):
            raise ValueError("no number")
        return RefundResult(
            out_trade_no=numbers[0],
            out_refund_no=numbers[1],
            status=_V2_REFUND_STATUS[fields["refund_status"]],
            refund_fen=read_fen(fields, "refund_fee"),
            total_fen=read_fen(fields, "total_fee"),
            appid=appid,
            mch_id=who.mch_id,
            refund_id=numbers[2],
            refunded_at=read_time(fields.get("success_time", ""), "%Y-%m-%d %H:%M:%S"),
            received_by=fields.get("refund_recv_accout", "")[:64],  # the provider's own spelling
        )
    except (ValueError, KeyError):
        raise NoticeRefused("退款通知解密失败", http_status=401) from None


def _decrypt_v2(req_info: str, api_key: str) -> bytes:
    key = hashlib.md5(api_key.encode(), usedforsecurity=False).hexdigest().encode()
    ciphertext = base64.b64decode(req_info, validate=True)
    opener = Cipher(algorithms.AES(key), modes.ECB()).decryptor()  # noqa: S305 - WeChat's choice
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(opener.update(ciphertext) + opener.finalize()) + unpadder.finalize()


def read_v3(
    headers: Mapping[str, str], raw: bytes, gateways: Sequence[WeChatV3], at: datetime
) -> PaymentResult | RefundResult:
    """Read a payment or refund notification of v3, for whichever of the gateways' merchants it is.

    :param headers: case-insensitive, or spelt like ``Wechatpay-Signature``.
    :param at: when it came in; its time stamp is measured against it.
    :raises NoticeRefused: forged, stale, malformed, for another merchant, or not of a success; where the signature has
        proved who sent it, ``NoticeUnfit``.
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
        # Kept, since nothing else tells that our APIv3 key is wrong: no call of ours needs it.
        raise NoticeUnfit("报文格式错误或解密失败") from None
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
