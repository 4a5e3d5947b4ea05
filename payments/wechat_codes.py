"""The error codes of WeChat Pay that the API document lists, and other names that WeChat uses for them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WeChatCode:
    """One row of the API document's table: status, name, 描述 and 解决方案."""

    status: int
    code: str
    msg: str
    solution: str


_TABLE = (
    WeChatCode(
        202,
        "USERPAYING",
        "用户支付中，需要输入密码",
        "等待5秒，然后调用被扫订单结果查询API，查询当前订单的不同状态，决定下一步的操作",
    ),
    WeChatCode(403, "TRADE_ERROR", "交易错误", "因业务原因交易失败，请查看接口返回的详细信息"),
    WeChatCode(500, "SYSTEMERROR", "系统错误", "系统异常，请用相同参数重新调用"),
    WeChatCode(401, "SIGN_ERROR", "签名错误", "请检查签名参数和方法是否都符合签名算法要求"),
    WeChatCode(403, "RULELIMIT", "业务规则限制", "因业务规则限制请求频率，请查看接口返回的详细信息"),
    WeChatCode(400, "PARAM_ERROR", "参数错误", "请根据接口返回的详细信息检查请求参数"),
    WeChatCode(403, "OUT_TRADE_NO_USED", "商户订单号重复", "请核实商户订单号是否重复提交"),
    WeChatCode(404, "ORDERNOTEXIST", "订单不存在", "请检查订单是否发起过交易"),
    WeChatCode(400, "ORDER_CLOSED", "订单已关闭", "当前订单已关闭，请重新下单"),
    WeChatCode(500, "OPENID_MISMATCH", "openid和appid不匹配", "请确认openid和appid是否匹配"),
    WeChatCode(403, "NOTENOUGH", "余额不足", "用户帐号余额不足，请用户充值或更换支付卡后再支付"),
    WeChatCode(403, "NOAUTH", "商户无权限", "请商户前往申请此接口相关权限"),
    WeChatCode(400, "MCH_NOT_EXISTS", "商户号不存在", "请检查商户号是否正确"),
    WeChatCode(500, "INVALID_TRANSACTIONID", "订单号非法", "请检查微信支付订单号是否正确"),
    WeChatCode(400, "INVALID_REQUEST", "无效请求", "请根据接口返回的详细信息检查"),
    WeChatCode(429, "FREQUENCY_LIMITED", "频率超限", "请降低请求接口频率"),
    WeChatCode(500, "BANKERROR", "银行系统异常", "银行系统异常，请用相同参数重新调用"),
    WeChatCode(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配", "请确认appid和mch_id是否匹配"),
    WeChatCode(403, "ACCOUNTERROR", "账号异常", "用户账号异常，无需更多操作"),
)
WECHAT_CODES: dict[str, WeChatCode] = {row.code: row for row in _TABLE}

# Other names for the same codes, without underscores: those of v2, and those on other pages of v3.
_ALIASES = {
    "ORDERCLOSED": "ORDER_CLOSED",
    "INVALIDREQTOOMUCH": "FREQUENCY_LIMITED",
    "BIZERRNEEDRETRY": "SYSTEMERROR",
    "ERROR": "TRADE_ERROR",
    "TRADEOVERDUE": "TRADE_ERROR",
    "USERACCOUNTABNORMAL": "ACCOUNTERROR",
    "MCHIDNOTEXIST": "MCH_NOT_EXISTS",
    "MCHNOTEXIST": "MCH_NOT_EXISTS",
    "APPIDNOTEXIST": "APPID_MCHID_NOT_MATCH",
    "LACKPARAMS": "PARAM_ERROR",
    "INVALIDPARAMETER": "PARAM_ERROR",
    "XMLFORMATERROR": "PARAM_ERROR",
    "POSTDATAEMPTY": "PARAM_ERROR",
    "NOTUTF8": "PARAM_ERROR",
    "REQUIREPOSTMETHOD": "INVALID_REQUEST",
}
_BY_PLAIN_NAME = {code.replace("_", ""): code for code in WECHAT_CODES} | _ALIASES
_BY_HTTP_STATUS = {
    202: "USERPAYING",
    400: "INVALID_REQUEST",
    401: "SIGN_ERROR",
    403: "RULELIMIT",
    404: "ORDERNOTEXIST",
    429: "FREQUENCY_LIMITED",
}


def documented_code(name: str, http_status: int = 0) -> str:
    """Return the code of the table for the provider's name of an error. An unknown name is judged by the HTTP status.

    Underscores are ignored, because WeChat's own pages disagree on them.
    """
    plain = name.upper().replace("_", "")
    return _BY_PLAIN_NAME.get(plain) or _BY_HTTP_STATUS.get(http_status, "SYSTEMERROR")
