"""The reasons for which the provider refuses, in the words of both APIs."""

import re
from enum import Enum
from typing import Any

OUT_TRADE_NO = r"[0-9A-Za-z_\-|*]{6,32}"
OUT_REFUND_NO = r"[0-9A-Za-z_\-|*@]{1,64}"
FEN = r"[1-9][0-9]{0,8}"
TEXT = r"(?s)[^\x00]{1,127}"
ADDRESS = r"https?://\S{1,240}"


class Reason(Enum):
    """v2 ``err_code`` · v3 HTTP status · v3 ``code`` · text, as the live service sends them."""

    PARAM = ("PARAM_ERROR", 400, "PARAM_ERROR", "参数错误")
    APPID = ("APPID_MCHID_NOT_MATCH", 400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    MCH = ("MCHID_NOT_EXIST", 400, "MCH_NOT_EXISTS", "商户号mch_id不存在")
    SIGN = ("SIGNERROR", 401, "SIGN_ERROR", "签名错误")
    # WeChat documents OUT_TRADE_NO_USED for v2, but the live service sends this.
    NUMBER_USED = ("INVALID_REQUEST", 403, "OUT_TRADE_NO_USED", "201 商户订单号重复")
    ORDER_PAID = ("ORDERPAID", 400, "ORDERPAID", "该订单已支付")
    ORDER_CLOSED = ("ORDERCLOSED", 400, "ORDER_CLOSED", "订单已关闭")
    ORDER_UNKNOWN = ("ORDERNOTEXIST", 404, "ORDER_NOT_EXIST", "订单不存在")
    TIME_EXPIRE = ("INVALID_REQUEST", 400, "INVALID_REQUEST", "time_expire时间过短，刷卡至少1分钟，其他5分钟")
    REFUND_UNKNOWN = ("REFUNDNOTEXIST", 404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    NOT_PAID = ("TRADE_STATE_ERROR", 403, "TRADE_ERROR", "订单未支付，不能退款")
    NUMBER_REFUNDED = ("ERROR", 400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
    REFUND_TOO_SOON = ("FREQUENCY_LIMITED", 429, "FREQUENCY_LIMITED", "同一笔订单的退款需间隔一分钟")
    REFUND_TOO_MUCH = ("ERROR", 403, "NOT_ENOUGH", "累计退款金额大于支付金额")
    BILL_DATE = ("", 400, "INVALID_REQUEST", "账单日期不正确，只能下载三个月内、截至昨天的账单")
    NO_BILL = ("", 400, "NO_STATEMENT_EXIST", "账单文件不存在")
    BILL_LATE = ("", 400, "STATEMENT_CREATING", "账单生成中")
    EXPIRED = ("TRADE_ERROR", 403, "TRADE_ERROR", "二维码已过期，请刷新后再试")

    def __init__(self, v2_code: str, v3_status: int, v3_code: str, text: str) -> None:
        self.v2_code, self.v3_status, self.v3_code, self.text = v2_code, v3_status, v3_code, text


class Refused(Exception):
    """The provider refuses; nothing was changed."""

    def __init__(self, reason: Reason, text: str = "") -> None:
        super().__init__(text or reason.text)
        self.reason, self.text = reason, text or reason.text


def checked(fields: dict[str, Any], name: str, pattern: str) -> str:
    """Return a field of a request as text. ``amount.total`` is the field ``total`` of the object ``amount``.

    :raises Refused: PARAM: it is missing, or ``pattern`` does not match the whole of it.
    """
    value: Any = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or value == "":
        raise Refused(Reason.PARAM, f"{name}参数缺失")
    if not re.fullmatch(pattern, str(value)):
        raise Refused(Reason.PARAM, f"{name}格式错误")
    return str(value)


def optional(fields: dict[str, Any], name: str, pattern: str) -> str:
    """Return a field as ``checked`` does, "" if it is missing."""
    return checked(fields, name, pattern) if fields.get(name) else ""
