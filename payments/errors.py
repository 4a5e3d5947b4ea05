"""Every refusal of this app and of the provider. WeChat Pay's own error codes are in ``wechat_codes.py``."""

from core.errors import DomainError
from payments.wechat_codes import WECHAT_CODES


class PaymentError(DomainError):
    """Base of all refusals of this app."""


# --- The provider did not do what was asked: raised by the gateway, and told to the client as it is ---
class GatewayError(PaymentError):
    """WeChat Pay did not do what was asked.

    :param reason: for the log and for staff; a client reads it only of a refusal, as ``detail``.
    """

    status, http_status, msg = 502, 502, "微信支付暂时不可用,请稍后再试"
    remedy = "稍后再试,数据没有改变"
    # The provider may or may not have acted. Conclude nothing from it: ask, or repeat the same call, which may succeed.
    outcome_unknown = False

    def __init__(self, reason: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(headers=headers)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code or ''} {self.reason}".strip()[:255]


class PaymentNotConfigured(GatewayError):
    """Merchant values are missing or unusable, so nothing was sent; ``manage.py doctor`` says which."""

    status, http_status, msg = 503, 503, "商户支付参数未配置"
    remedy = ""


class MerchantUnknown(PaymentNotConfigured):
    """The payment was made for a merchant whose keys we do not have. Other payments can go on."""


class ProviderDown(GatewayError):
    """No connection, a broken one, or an unusable answer (5xx of a proxy, HTML, too long)."""

    outcome_unknown = True


class ProviderTimeout(ProviderDown):
    """No answer in time."""

    status, http_status, msg = 504, 504, "微信支付响应超时,请稍后再试"


class ProviderBusy(ProviderDown):
    """Nothing was sent, because too many callers wait for WeChat Pay already or it is silent."""

    status, http_status = 503, 503
    remedy = "按响应头 Retry-After 的秒数等待后再试,订单没有改变"


class ProviderUntrusted(GatewayError):
    """The answer's signature is missing or wrong, or it speaks of another merchant or order."""

    outcome_unknown = True


class WeChatRefused(GatewayError):
    """WeChat Pay refused, or we did for a reason that has one of its codes.

    :param code: a key of ``WECHAT_CODES``.
    """

    http_status, remedy = 200, ""

    def __init__(self, code: str, reason: str = "") -> None:
        super().__init__(reason)
        row = WECHAT_CODES[code]
        self.status, self.code, self.msg = row.status, code, row.msg
        self.extra = {"solution": row.solution} | ({"detail": reason} if reason else {})


class WeChatUncertain(WeChatRefused):
    """The provider failed half-way or is busy: SYSTEMERROR, BANKERROR, FREQUENCY_LIMITED, USERPAYING."""

    outcome_unknown = True


class BillNotReady(WeChatUncertain):
    """STATEMENT_CREATING: the provider has not made the day's bill yet."""


class BillEmpty(WeChatRefused):
    """NO_STATEMENT_EXIST: the provider moved nothing on that day."""


class AlreadyPaid(WeChatRefused):
    """ORDERPAID: ask for the details."""


class AlreadyClosed(WeChatRefused):
    """ORDERCLOSED: the number is used up."""


class OrderUnknown(WeChatRefused):
    """ORDERNOTEXIST: no such order, or no such refund, there."""


class NumberUsed(WeChatRefused):
    """OUT_TRADE_NO_USED, INVALID_REQUEST 201: the number exists there with other parameters."""


class NoticeRefused(PaymentError):
    """A notification that must not be believed. ``msg`` is the reason, for the provider and the journal.

    :param http_status: for providers that read it (v3).
    """

    is_genuine = False  # nothing proves that the provider sent it; a stranger may send any number of such

    def __init__(self, reason: str, *, http_status: int = 400) -> None:
        super().__init__(reason, http_status=http_status)


class NoticeUnfit(NoticeRefused):
    """The provider did send it, but it says nothing that we can act on."""

    is_genuine = True


# --- Our own refusals ---
class PaymentAlreadyPaid(PaymentError):
    status, msg = 1001, "err 订单已经支付"


class PaymentClosed(PaymentError):
    status, msg = 1004, "err 订单已经关闭"


class PaymentUnknown(PaymentError):
    """No order or no payment has this number."""

    status, msg = 1003, "err 订单不存在"


class PaymentMismatch(PaymentError):
    """The provider's amount, merchant or transaction differs from our record. Nothing was changed."""

    status, msg = 1004, "支付信息与订单不一致"


class RefundNotPossible(PaymentError):
    """The money cannot be refunded, or not in this way; ``msg`` says why."""

    status, msg = 1004, "该订单无法退款"


NO_REFUNDS = "商户还没有配好微信支付退款(APIv3),暂时不能退款,请联系商家"


class BillTooOld(PaymentError):
    status, msg = 1004, "微信只保留三个月内的账单"


class DifferenceEnded(PaymentError):
    """A colleague or a later comparison has ended the difference already."""

    status, msg = 1004, "这条差异已经处理过了"
