"""Every way in which taking, asking for or returning money is refused."""

from dataclasses import dataclass
from typing import Any

from core.errors import DomainError, UpstreamDown


@dataclass(frozen=True)
class WeChatCode:
    """One row of the documented table: its number, name, 描述 and 解决方案."""

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

# Names of v2, and of other pages of v3, for the same facts.
_ALIASES = {
    "ORDERCLOSED": "ORDER_CLOSED",
    "RESOURCENOTEXISTS": "ORDERNOTEXIST",
    "RATELIMITEXCEEDED": "FREQUENCY_LIMITED",
    "RATELIMITED": "FREQUENCY_LIMITED",
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
    """Find the table's name for what the provider called it; unknown names go by the HTTP status.

    WeChat's own pages disagree on underscores, so these do not count.
    """
    plain = name.upper().replace("_", "")
    return _BY_PLAIN_NAME.get(plain) or _BY_HTTP_STATUS.get(http_status, "SYSTEMERROR")


class PaymentError(DomainError):
    """Base of all refusals of this app."""


class WeChatRefused(PaymentError):
    """The provider (or we, on its terms) said no, with a code of the documented table.

    :param code: a key of ``WECHAT_CODES``.
    :param detail: what the provider wrote, for people; answered as ``detail`` where there is one.
    """

    def __init__(self, code: str, *, detail: str = "") -> None:
        row = WECHAT_CODES[code]
        extra: dict[str, Any] = {"solution": row.solution} | ({"detail": detail} if detail else {})
        super().__init__(row.msg, status=row.status, code=row.code, **extra)


class ProviderDown(UpstreamDown, PaymentError):
    """WeChat Pay cannot be reached or talks nonsense (also: an answer whose signature is wrong)."""

    msg = "微信支付暂时不可用,请稍后再试"


class ProviderTimeout(ProviderDown):
    """WeChat Pay did not answer in time: what it did is not known."""

    status, http_status, msg = 504, 504, "微信支付响应超时,请稍后再试"


class ProviderBusy(ProviderDown):
    """Nothing was sent: too many wait for WeChat Pay already, or it does not answer anybody. Come back later."""

    status, http_status, msg = 503, 503, "微信支付暂时不可用,请稍后再试"
    remedy = "按响应头 Retry-After 的秒数等待后再试,订单没有改变"


class PaymentNotConfigured(PaymentError):
    """The merchant's values are missing or unusable; ``manage.py doctor`` says which."""

    status, http_status, msg = 503, 503, "商户支付参数未配置"


class PaymentAlreadyPaid(PaymentError):
    status, msg = 1001, "err 订单已经支付"


class PaymentClosed(PaymentError):
    status, msg = 1004, "err 订单已经关闭"


class PaymentUnknown(PaymentError):
    """No order, or no payment, has this number."""

    status, msg = 1003, "err 订单不存在"


class PaymentMismatch(PaymentError):
    """The provider's word and our record differ (amount, merchant, transaction...): nothing was changed."""

    status, msg = 1004, "支付信息与订单不一致"


class EventCut(PaymentError):
    """Only the beginning of this notification was kept."""

    status, msg = 1004, "这条通知没有来自微信的证明,只保留了开头,不能重新处理"


class RefundNotPossible(PaymentError):
    """The money cannot go back, or not this way; ``msg`` says why."""

    status, msg = 1004, "该订单无法退款"


NO_REFUNDS = "商户还没有配好微信支付退款(APIv3),暂时不能退款,请联系商家"


class BillNotOut(PaymentError):
    """The provider makes a day's bill by 10:00 (Shanghai) of the next day."""

    status, msg = 1004, "这一天的账单还没有出,请在次日 10:00(北京时间)以后再对账"


class BillTooOld(PaymentError):
    status, msg = 1004, "微信只保留三个月内的账单"


class BillBusy(PaymentError):
    status, msg = 1004, "正在对账,请稍后再试"


class DifferenceEnded(PaymentError):
    """A colleague, or a later comparison, was faster."""

    status, msg = 1004, "这条差异已经处理过了"
