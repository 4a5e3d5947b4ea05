"""Every refusal of this app. WeChat Pay's own error codes are in ``wechat_codes.py``."""

from typing import Any

from core.errors import DomainError, UpstreamDown
from payments.wechat_codes import WECHAT_CODES


class PaymentError(DomainError):
    """Base of all refusals of this app."""


class WeChatRefused(PaymentError):
    """WeChat Pay refused, or we did for a reason that has one of its codes.

    :param code: a key of ``WECHAT_CODES``.
    :param detail: WeChat Pay's own text, which the client gets as ``detail``.
    """

    def __init__(self, code: str, *, detail: str = "") -> None:
        row = WECHAT_CODES[code]
        extra: dict[str, Any] = {"solution": row.solution} | ({"detail": detail} if detail else {})
        super().__init__(row.msg, status=row.status, code=row.code, **extra)


class ProviderDown(UpstreamDown, PaymentError):
    """WeChat Pay cannot be reached, or its answer cannot be read or has a wrong signature."""

    msg = "微信支付暂时不可用,请稍后再试"


class ProviderTimeout(ProviderDown):
    """WeChat Pay did not answer in time, so it may have done what it was asked, or not."""

    status, http_status, msg = 504, 504, "微信支付响应超时,请稍后再试"


class ProviderBusy(ProviderDown):
    """Nothing was sent, because too many callers wait for WeChat Pay already or it is silent."""

    status, http_status, msg = 503, 503, "微信支付暂时不可用,请稍后再试"
    remedy = "按响应头 Retry-After 的秒数等待后再试,订单没有改变"


class PaymentNotConfigured(PaymentError):
    """The merchant's settings are missing or wrong; ``manage.py doctor`` says which."""

    status, http_status, msg = 503, 503, "商户支付参数未配置"


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


class EventCut(PaymentError):
    """Only the beginning of the notification is stored, so it cannot be handled again."""

    status, msg = 1004, "这条通知没有来自微信的证明，只保留了开头，不能重新处理"


class RefundNotPossible(PaymentError):
    """The money cannot be refunded, or not in this way; ``msg`` says why."""

    status, msg = 1004, "该订单无法退款"


NO_REFUNDS = "商户还没有配好微信支付退款(APIv3),暂时不能退款,请联系商家"


class BillNotOut(PaymentError):
    """The bill is not made yet. The provider makes it by 10:00 (Shanghai) of the next day."""

    status, msg = 1004, "这一天的账单还没有出，请在次日 10:00（北京时间）以后再对账"


class BillTooOld(PaymentError):
    status, msg = 1004, "微信只保留三个月内的账单"


class BillBusy(PaymentError):
    status, msg = 1004, "正在对账，请稍后再试"


class DifferenceEnded(PaymentError):
    """A colleague or a later comparison has ended the difference already."""

    status, msg = 1004, "这条差异已经处理过了"
