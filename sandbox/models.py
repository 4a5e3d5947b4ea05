"""The sandbox's own books. Nothing else in the project reads or writes these tables."""

import secrets
from datetime import datetime, timedelta

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from core.api.request import full_url

CODE_TTL = timedelta(hours=2)  # how long a code_url or prepay_id works


def yuan_text(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02}"


class FaultKind(models.TextChoices):
    NOTIFY_TWICE = "notify_twice", "通知发两次"
    NOTIFY_LATE = "notify_late", "通知迟到（秒）"
    NOTIFY_NEVER = "notify_never", "通知不发"
    WRONG_AMOUNT = "wrong_amount", "通知里的金额不对"
    WRONG_SIGNATURE = "wrong_signature", "通知的签名不对"
    PROVIDER_SLOW = "provider_slow", "微信支付接口变慢（秒）"
    PROVIDER_DOWN = "provider_down", "微信支付接口不可用"
    ANSWER_LOST = "answer_lost", "请求已处理，应答丢失"
    ANSWER_UNSIGNED = "answer_wrong_signature", "应答的签名不对"
    PAY_AFTER_EXPIRY = "pay_after_expiry", "过期或已关闭的码仍可支付"
    REFUND_ABNORMAL = "refund_abnormal", "退款异常（退不到用户账户）"
    REFUND_CLOSED = "refund_closed", "退款被关闭"
    OAUTH_SLOW = "oauth_slow", "微信登录接口变慢（秒）"
    OAUTH_DOWN = "oauth_down", "微信登录接口不可用"
    OAUTH_SNAPSHOT = "oauth_snapshot", "微信授权先打开快照页"
    OAUTH_BUSY = "oauth_busy", "小程序登录：微信系统繁忙（-1）"
    OAUTH_LIMIT = "oauth_limit", "小程序登录：调用太频繁（45011）"
    SMS_SLOW = "sms_slow", "短信接口变慢（秒）"
    SMS_DOWN = "sms_down", "短信接口不可用"
    SMS_QUOTA = "sms_quota", "短信发送次数用完"
    WEATHER_SLOW = "weather_slow", "天气接口变慢（秒）"
    WEATHER_DOWN = "weather_down", "天气接口不可用"


class TradeState(models.TextChoices):
    NOTPAY = "NOTPAY", "订单未支付"
    SUCCESS = "SUCCESS", "支付成功"
    REFUND = "REFUND", "转入退款"
    CLOSED = "CLOSED", "订单已关闭"


def new_token() -> str:
    return get_random_string(9)


def new_prepay_id() -> str:
    return f"wx{secrets.token_hex(17)}"


class Trade(models.Model):
    """An order as WeChat Pay keeps it. Placing it again lets its code work anew."""

    out_trade_no = models.CharField("商户订单号", max_length=32, unique=True)
    fingerprint = models.CharField("下单参数指纹", max_length=64)
    trade_type = models.CharField("交易类型", max_length=16)
    body = models.CharField("商品描述", max_length=127)
    attach = models.CharField("附加数据", max_length=128, blank=True)
    total_fee = models.PositiveIntegerField("金额（分）")
    notify_url = models.CharField("通知地址", max_length=256)
    state = models.CharField("状态", max_length=8, choices=TradeState, default=TradeState.NOTPAY)
    appid = models.CharField("AppID", max_length=32, blank=True, default="", db_default="")
    openid = models.CharField("支付者", max_length=128, blank=True)
    transaction_id = models.CharField("微信支付订单号", max_length=32, unique=True, null=True, blank=True)
    expires_at = models.DateTimeField("支付截止")
    created_at = models.DateTimeField("下单时间", db_index=True)
    paid_at = models.DateTimeField("支付时间", null=True, blank=True)
    token = models.CharField("码", max_length=16, unique=True, default=new_token)
    prepay_id = models.CharField("预支付会话", max_length=64, unique=True, default=new_prepay_id)
    placed_at = models.DateTimeField("最近下单时间", default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "沙箱订单"
        ordering = ["-created_at", "-pk"]

    @property
    def yuan(self) -> str:
        return yuan_text(self.total_fee)

    @property
    def is_paid(self) -> bool:
        return self.state in {TradeState.SUCCESS, TradeState.REFUND}

    @property
    def payable_until(self) -> datetime:
        return min(self.expires_at, self.placed_at + CODE_TTL)

    @property
    def code_url(self) -> str:
        return f"weixin://wxpay/bizpayurl?pr={self.token}"

    @property
    def pay_page(self) -> str:
        """The address of the page that stands for scanning ``code_url``."""
        return full_url(reverse("sandbox:pay", args=[self.token]))


class RefundState(models.TextChoices):
    PROCESSING = "PROCESSING", "退款处理中"
    SUCCESS = "SUCCESS", "退款成功"
    ABNORMAL = "ABNORMAL", "退款异常"
    CLOSED = "CLOSED", "退款关闭"


class Refund(models.Model):
    """A refund, which is accepted at once and settled a little later; how it ends is known from the beginning."""

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="refunds", verbose_name="订单")
    out_refund_no = models.CharField("商户退款单号", max_length=64, unique=True)
    refund_id = models.CharField("微信退款单号", max_length=32, unique=True)
    refund_fee = models.PositiveIntegerField("退款金额（分）")
    reason = models.CharField("退款原因", max_length=80, blank=True)
    notify_url = models.CharField("通知地址", max_length=256, blank=True)
    outcome = models.CharField("结果", max_length=10, choices=RefundState, default=RefundState.SUCCESS)
    created_at = models.DateTimeField("申请时间", db_index=True)
    settles_at = models.DateTimeField("到账时间")

    class Meta:
        verbose_name = verbose_name_plural = "沙箱退款"
        ordering = ["-created_at", "-pk"]

    @property
    def yuan(self) -> str:
        return yuan_text(self.refund_fee)

    @property
    def state(self) -> RefundState:
        return RefundState.PROCESSING if timezone.now() < self.settles_at else RefundState(self.outcome)


class DeliveryState(models.TextChoices):
    DUE = "DUE", "待发送"
    DELIVERED = "DELIVERED", "已送达"
    GIVEN_UP = "GIVEN_UP", "已放弃"
    SUPPRESSED = "SUPPRESSED", "按故障设置不发"


class Delivery(models.Model):
    """One notification, from its creation to its acknowledgement. All state is in the row, none in a process."""

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, related_name="deliveries", verbose_name="订单")
    refund = models.ForeignKey(Refund, on_delete=models.CASCADE, null=True, blank=True, verbose_name="退款")
    api = models.CharField("格式", max_length=2)  # v2 or v3
    url = models.CharField("地址", max_length=256)
    body = models.TextField("正文")
    is_forged = models.BooleanField("签名不对", default=False)
    state = models.CharField("状态", max_length=10, choices=DeliveryState, default=DeliveryState.DUE)
    attempts = models.PositiveSmallIntegerField("次数", default=0)
    next_try_at = models.DateTimeField("下次发送")
    last_status = models.PositiveSmallIntegerField("对方状态码", null=True, blank=True)
    last_answer = models.CharField("对方应答", max_length=300, blank=True)
    created_at = models.DateTimeField("生成时间", db_index=True)

    class Meta:
        verbose_name = verbose_name_plural = "沙箱通知"
        ordering = ["-created_at", "-pk"]
        indexes = [models.Index(fields=["next_try_at"], condition=models.Q(state="DUE"), name="sandbox_delivery_due")]


class TextMessage(models.Model):
    """A text message that the provider has sent to a phone."""

    phone = models.CharField("手机号", max_length=11)
    code = models.CharField("验证码", max_length=10)
    text = models.CharField("内容", max_length=200)
    at = models.DateTimeField("时间")
    out_id = models.CharField("调用方", max_length=64, blank=True, db_default="", help_text="调用方自己的标记")

    class Meta:
        verbose_name = verbose_name_plural = "沙箱短信"
        ordering = ["-pk"]
        indexes = [models.Index(fields=["phone", "at"], name="sandbox_sms_of_phone")]


class Fault(models.Model):
    """A fault that is switched on, for one order or for all; a kind without a row is off."""

    trade = models.ForeignKey(Trade, on_delete=models.CASCADE, null=True, related_name="faults", verbose_name="订单")
    kind = models.CharField("种类", max_length=24, choices=FaultKind)
    value = models.FloatField("数值")

    class Meta:
        verbose_name = verbose_name_plural = "沙箱故障"
        constraints = [
            models.UniqueConstraint("trade", "kind", name="sandbox_fault_once", nulls_distinct=False),
        ]
