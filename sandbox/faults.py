"""The fault dial: what the stand-ins do wrong on purpose, for every process, until told otherwise.

A fault strikes everybody, or one order alone (``ORDER_KINDS``): where a class shares a machine, a buyer tries his own.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from django.db import models, transaction

if TYPE_CHECKING:
    from sandbox.models import Trade

MAX_VALUE = 600.0


class FaultKind(models.TextChoices):
    NOTIFY_TWICE = "notify_twice", "通知发两次"
    NOTIFY_LATE = "notify_late", "通知迟到（秒）"
    NOTIFY_NEVER = "notify_never", "通知不发"
    NOTIFY_OUT_OF_ORDER = "notify_out_of_order", "通知乱序（最多扣留秒数）"
    WRONG_AMOUNT = "wrong_amount", "通知里的金额不对"
    WRONG_SIGNATURE = "wrong_signature", "通知的签名不对"
    PROVIDER_SLOW = "provider_slow", "微信支付接口变慢（秒）"
    PROVIDER_DOWN = "provider_down", "微信支付接口不可用"
    ANSWER_LOST = "answer_lost", "请求已处理，应答丢失"
    ANSWER_UNSIGNED = "answer_wrong_signature", "应答的签名不对"
    PAY_AFTER_EXPIRY = "pay_after_expiry", "过期或已关闭的码仍可支付"
    REFUND_ABNORMAL = "refund_abnormal", "退款异常（退不到用户账户）"
    REFUND_CLOSED = "refund_closed", "退款被关闭"
    BILL_ROW_MISSING = "bill_row_missing", "账单少一笔"
    BILL_ROW_MORE = "bill_row_more", "账单多一笔"
    BILL_WRONG_AMOUNT = "bill_wrong_amount", "账单里一笔金额不对"
    BILL_WRONG_HASH = "bill_wrong_hash", "账单摘要不对"
    BILL_LATE = "bill_late", "账单还没有生成"
    OAUTH_SLOW = "oauth_slow", "微信登录接口变慢（秒）"
    OAUTH_DOWN = "oauth_down", "微信登录接口不可用"
    SMS_SLOW = "sms_slow", "短信接口变慢（秒）"
    SMS_DOWN = "sms_down", "短信接口不可用"
    SMS_QUOTA = "sms_quota", "短信发送次数用完"
    WEATHER_SLOW = "weather_slow", "天气接口变慢（秒）"
    WEATHER_DOWN = "weather_down", "天气接口不可用"
    WEATHER_GARBAGE = "weather_garbage", "天气接口返回乱码"
    WEATHER_HTML = "weather_html", "天气接口返回网页"
    WEATHER_WRONG_TYPES = "weather_wrong_types", "天气字段类型不对"
    WEATHER_ALARM_LIST = "weather_alarm_list", "天气预警是列表"
    WEATHER_QUOTA = "weather_quota", "天气接口次数用完"


# Kinds whose value is a time in seconds, with the one used when they are merely switched on.
DEFAULT_SECONDS = {
    FaultKind.NOTIFY_LATE: 20.0,
    FaultKind.NOTIFY_OUT_OF_ORDER: 20.0,
    FaultKind.PROVIDER_SLOW: 8.0,
    FaultKind.OAUTH_SLOW: 8.0,
    FaultKind.SMS_SLOW: 8.0,
    FaultKind.WEATHER_SLOW: 8.0,
}


# Kinds that may be set for one order.
ORDER_KINDS = (
    FaultKind.NOTIFY_TWICE,
    FaultKind.NOTIFY_LATE,
    FaultKind.NOTIFY_NEVER,
    FaultKind.WRONG_AMOUNT,
    FaultKind.WRONG_SIGNATURE,
    FaultKind.PAY_AFTER_EXPIRY,
    FaultKind.REFUND_ABNORMAL,
    FaultKind.REFUND_CLOSED,
)


def faults_on(trade: "Trade | None" = None) -> dict[FaultKind, float]:
    """Answer the faults that are on, with their values (seconds where the kind has seconds).

    :param trade: the order that is at hand; its own faults are among them.
    """
    from sandbox.models import Fault

    on = dict(Fault.objects.values_list("kind", "value")) | (trade.faults if trade else {})
    return {FaultKind(kind): value for kind, value in on.items() if kind in FaultKind}


def faults_set(*, changes: Mapping[str, object], reset: bool = False) -> None:
    """Switch faults on (true, or a number of seconds) and off (false, 0 or None); ``reset`` switches all off first.

    :raises ValueError: an unknown kind, or a value that is none of these; nothing was changed.
    """
    from sandbox.models import Fault

    wanted = _values(changes, FaultKind)
    with transaction.atomic():
        gone = Fault.objects.all() if reset else Fault.objects.filter(kind__in=wanted)
        gone.delete()
        rows = [Fault(kind=kind, value=value) for kind, value in wanted.items() if value]
        Fault.objects.bulk_create(rows, update_conflicts=True, update_fields=["value"], unique_fields=["kind"])


def order_faults_set(*, trade: "Trade", changes: Mapping[str, object], reset: bool = False) -> None:
    """Like ``faults_set``, for one order alone.

    :raises ValueError: also a kind that is not among ``ORDER_KINDS``; nothing was changed.
    """
    wanted = _values(changes, ORDER_KINDS)
    with transaction.atomic():
        locked = type(trade)._default_manager.select_for_update().get(pk=trade.pk)
        kept = {} if reset else locked.faults
        locked.faults = {kind: value for kind, value in (kept | wanted).items() if value}
        locked.save(update_fields=["faults"])
    trade.faults = locked.faults


def _values(changes: Mapping[str, object], allowed: Collection[str]) -> dict[str, float]:
    if strange := [kind for kind in changes if kind not in allowed]:
        raise ValueError(f"{strange[0]!r} is not one of {', '.join(allowed)}")
    return {str(kind): _value(FaultKind(kind), value) for kind, value in changes.items()}


def _value(kind: FaultKind, raw: object) -> float:
    if raw is True:
        return DEFAULT_SECONDS.get(kind, 1.0)
    if raw is None or raw is False:
        return 0.0
    if not isinstance(raw, int | float) or not 0 <= raw <= MAX_VALUE:
        raise ValueError(f"{kind}: true, false or a number up to {MAX_VALUE:.0f} is needed")
    return float(raw)
