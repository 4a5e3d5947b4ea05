"""Payments, refunds, the money log, notifications of the provider, and the comparison with its bills.

Amounts are integers in fen.
"""

from typing import Any

from django.db import models
from django.db.models import Q

from core.money import fen_text

CURRENCY = "CNY"
RATES_LENGTH = 64
PAYMENT_NOTICE = "支付成功"  # the kind of a notification that is about a payment


class TradeType(models.TextChoices):
    NATIVE = "NATIVE", "扫码支付"
    JSAPI = "JSAPI", "公众号支付"
    APP = "APP", "APP支付"


class PaymentStatus(models.TextChoices):
    STARTING = "starting", "下单中"  # stored here; the provider may or may not have it
    OPEN = "open", "待支付"  # the provider has the order and it can be paid
    PAID = "paid", "已支付"
    CLOSED = "closed", "已关闭"  # the provider takes no money for it any more; a payment made before may still appear
    STRAY = "stray", "待退回"  # money that belongs to no order of ours: all of it is refunded


class RefundStatus(models.TextChoices):
    PENDING = "pending", "待提交"  # stored here; the provider may or may not have it
    PROCESSING = "processing", "退款中"
    SUCCESS = "success", "已退款"
    ABNORMAL = "abnormal", "退款异常"  # accepted, but the buyer's account cannot receive the money: staff must act
    CLOSED = "closed", "退款关闭"  # the provider closed it and moved no money; another try needs a new number
    FAILED = "failed", "退款失败"  # refused; another try uses the same number
    OWED = "owed", "待线下退款"  # the money went back to the merchant's account, so the buyer has nothing yet
    OFFLINE = "offline", "已线下退款"  # staff have paid the buyer by other means


class RefundWay(models.TextChoices):
    ORIGINAL = "", "原路"
    MERCHANT = "merchant", "商户账户"
    CARD = "card", "买家银行卡"


class OfflineWay(models.TextChoices):
    BANK = "bank", "银行转账"
    CASH = "cash", "现金"
    WECHAT = "wechat", "微信转账"
    ALIPAY = "alipay", "支付宝转账"
    PLATFORM = "platform", "在商户平台退款"
    OTHER = "other", "其他"


class Payment(models.Model):
    """The payment of an order; an order has at most one, and ``out_trade_no`` is the order's number.

    Everything that is sent to the provider is stored, so that a repeated request is exactly the same.
    """

    out_trade_no = models.CharField("商户订单号", max_length=32, unique=True)
    # The merchant who takes the money; later questions use that merchant's keys. "" in rows older than these columns.
    appid = models.CharField("AppID", max_length=32, blank=True, default="", db_default="")
    mch_id = models.CharField("商户号", max_length=32, blank=True, default="", db_default="")
    amount_fen = models.PositiveBigIntegerField("金额（分）")
    currency = models.CharField("币种", max_length=3, default=CURRENCY)
    state = models.CharField("状态", max_length=10, choices=PaymentStatus, default=PaymentStatus.STARTING)

    trade_type = models.CharField("交易类型", max_length=8, choices=TradeType, default=TradeType.NATIVE)
    description = models.CharField("商品描述", max_length=127, blank=True)
    client_ip = models.CharField("用户IP", max_length=45, default="127.0.0.1")
    openid = models.CharField("用户标识", max_length=128, blank=True)
    notify_url = models.CharField("通知地址", max_length=255, blank=True)
    time_start = models.DateTimeField("交易起始时间")
    time_expire = models.DateTimeField("交易结束时间")

    prepay_id = models.CharField("预支付标识", max_length=64, blank=True)
    code_url = models.CharField("二维码链接", max_length=512, blank=True)
    code_at = models.DateTimeField("二维码时间", null=True, blank=True)

    transaction_id = models.CharField("微信支付订单号", max_length=64, blank=True)
    paid_at = models.DateTimeField("支付时间", null=True, blank=True)
    billed_on = models.DateField("对账日", null=True, blank=True)  # the day whose bill agrees with this row
    closed_at = models.DateTimeField("关闭时间", null=True, blank=True)

    claimed_until = models.DateTimeField("下单占用至", null=True, blank=True)
    last_query_at = models.DateTimeField("上次查询", null=True, blank=True)
    next_check_at = models.DateTimeField("下次对账", null=True, blank=True)
    # How many of our calls to place it the provider has not refused. 1.1.0 does not count: its rows keep the 1.
    calls_open = models.SmallIntegerField("没有被拒绝的下单", default=1, db_default=1, editable=False)
    last_error = models.CharField("最近错误", max_length=255, blank=True)
    created_at = models.DateTimeField("创建时间")

    class Meta:
        verbose_name = verbose_name_plural = "支付单"
        ordering = ["-created_at", "-pk"]
        permissions = [("export_payment", "导出支付单")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="payment_amount_above_zero"),
            models.CheckConstraint(
                condition=~Q(state__in=["paid", "stray"]) | (Q(paid_at__isnull=False) & ~Q(transaction_id="")),
                name="payment_paid_has_proof",
            ),
            # A WeChat number belongs to one payment. The same number for a second order is fraud or an error.
            models.UniqueConstraint(
                fields=["transaction_id"], condition=~Q(transaction_id=""), name="payment_transaction_once"
            ),
        ]
        indexes = [
            models.Index(fields=["paid_at"], condition=Q(billed_on=None, state="paid"), name="payment_unbilled"),
            # Holds only payments that are still to be checked, so paid ones do not slow down the sweep.
            models.Index(fields=["next_check_at"], condition=Q(next_check_at__isnull=False), name="payment_due"),
            models.Index(fields=["-created_at", "-id"], name="payment_newest"),
            models.Index(fields=["paid_at"], condition=Q(paid_at__isnull=False), name="payment_of_day"),
        ]

    def __str__(self) -> str:
        return self.out_trade_no

    @property
    def is_paid(self) -> bool:
        return self.state == PaymentStatus.PAID

    @property
    def is_refused(self) -> bool:
        """The provider has refused to take it, so there is nothing to ask about, and other values may be sent."""
        return self.state == PaymentStatus.STARTING and self.next_check_at is None


class Refund(models.Model):
    """A refund. Every try sends the same ``out_refund_no``, so the provider moves the money only once."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds", verbose_name="支付单")
    out_refund_no = models.CharField("商户退款单号", max_length=64, unique=True)
    amount_fen = models.PositiveBigIntegerField("退款金额（分）")
    reason = models.CharField("退款原因", max_length=80, blank=True)
    requested_by = models.CharField("申请人", max_length=64, blank=True)
    state = models.CharField("状态", max_length=10, choices=RefundStatus, default=RefundStatus.PENDING)

    refund_id = models.CharField("微信退款单号", max_length=64, blank=True)
    way = models.CharField(
        "退至", max_length=10, choices=RefundWay, default=RefundWay.ORIGINAL, db_default=RefundWay.ORIGINAL, blank=True
    )
    # In the provider's words.
    received_by = models.CharField("入账账户", max_length=64, blank=True, default="", db_default="")
    accepted_at = models.DateTimeField("微信受理时间", null=True, blank=True)  # the bill of this day lists it
    funds_account = models.CharField("出款账户", max_length=32, blank=True, default="", db_default="")
    billed_on = models.DateField("对账日", null=True, blank=True)
    refunded_at = models.DateTimeField("退款成功时间", null=True, blank=True)
    attempts = models.PositiveIntegerField("提交次数", default=0)
    sent_at = models.DateTimeField("最近提交", null=True, blank=True)  # when it was last sent to the provider
    next_try_at = models.DateTimeField("下次处理", null=True, blank=True)
    last_error = models.CharField("最近错误", max_length=255, blank=True)
    created_at = models.DateTimeField("创建时间")

    # A closed refund's number is dead: this one moves its money instead.
    replaced_by = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="+", verbose_name="新退款单", db_index=False
    )
    offline_way = models.CharField(
        "线下退款方式", max_length=10, choices=OfflineWay, blank=True, default="", db_default=""
    )
    offline_voucher = models.CharField("凭证号", max_length=64, blank=True, default="", db_default="")
    offline_by = models.CharField("线下退款登记人", max_length=64, blank=True, default="", db_default="")
    offline_at = models.DateTimeField("线下退款登记时间", null=True, blank=True)
    # When the provider paid a refund that staff had paid by other means.
    paid_twice_at = models.DateTimeField("重复退款时间", null=True, blank=True, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "退款单"
        ordering = ["-created_at", "-pk"]
        permissions = [("export_refund", "导出退款单")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="refund_amount_above_zero"),
            models.CheckConstraint(
                condition=~Q(state="offline")
                | (Q(offline_at__isnull=False) & ~Q(offline_by="") & ~Q(offline_way="") & ~Q(offline_voucher="")),
                name="refund_offline_has_proof",
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(next_try_at__isnull=False), name="refund_due"),
            models.Index(fields=["accepted_at"], condition=Q(billed_on=None), name="refund_unbilled"),
            models.Index(fields=["-created_at", "-id"], name="refund_newest"),
            models.Index(fields=["accepted_at"], condition=Q(accepted_at__isnull=False), name="refund_of_day"),
            models.Index(fields=["offline_at"], condition=Q(offline_at__isnull=False), name="refund_offline_of_day"),
        ]

    def __str__(self) -> str:
        return self.out_refund_no

    @property
    def trouble(self) -> str:
        """Say to staff why the buyer does not have the money. "" when nothing is wrong."""
        match self.state:
            case RefundStatus.ABNORMAL:
                return f"微信退不到「{self.received_by or '原支付账户'}」，账户可能已注销或冻结"
            case RefundStatus.OWED:
                return f"款项已退回商户（「{self.received_by or '商户账户'}」），还没有退给买家"
            case RefundStatus.CLOSED:
                return "微信关闭了这笔退款，款项没有退出"
            case RefundStatus.FAILED:
                return f"微信拒绝了这笔退款：{self.last_error or '没有说明原因'}"
        return self.last_error


class PaymentLog(models.Model):
    """One step of a payment or refund: who did what and when. Written in the step's transaction, and never changed."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="logs", verbose_name="支付单")
    refund = models.ForeignKey(
        Refund, on_delete=models.PROTECT, related_name="logs", null=True, blank=True, verbose_name="退款单"
    )
    at = models.DateTimeField("时间")
    actor = models.CharField("操作者", max_length=64)
    actor_key = models.CharField("操作者编号", max_length=64, blank=True, default="", db_default="", editable=False)
    event = models.CharField("事件", max_length=64)
    from_state = models.CharField("原状态", max_length=10, blank=True)
    to_state = models.CharField("新状态", max_length=10, blank=True)
    detail = models.CharField("说明", max_length=255, blank=True)
    request_id = models.CharField("请求编号", max_length=64, blank=True, default="", db_default="")

    class Meta:
        verbose_name = verbose_name_plural = "资金日志"
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.payment_id} {self.event}"


class ListenerFailure(models.Model):
    """News of a payment or refund that the app with the orders could not take, because it raised.

    The money itself is recorded. A sweep tells the listener again; the row goes once it has taken the news, or once
    the payment is given back.
    """

    out_trade_no = models.CharField("商户订单号", max_length=32)
    out_refund_no = models.CharField("商户退款单号", max_length=64, blank=True)  # "" for news of the payment itself
    failed_at = models.DateTimeField("首次失败")
    attempts = models.PositiveIntegerField("次数", default=1)
    next_try_at = models.DateTimeField("下次重试", null=True, blank=True)
    error = models.CharField("错误", max_length=255)

    class Meta:
        verbose_name = verbose_name_plural = "未入账的款项"
        ordering = ["pk"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["out_trade_no", "out_refund_no"], name="listener_failure_once")]

    def __str__(self) -> str:
        return self.out_refund_no or self.out_trade_no


class InboundEvent(models.Model):
    """A notification of the provider as it was received, and the result of handling it."""

    class Channel(models.TextChoices):
        V2 = "v2", "微信支付 v2"
        V3 = "v3", "微信支付 v3"

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "已受理"
        REFUSED = "refused", "已拒绝"
        FAILED = "failed", "处理失败"  # an error of ours; the provider will send it again

    channel = models.CharField("通道", max_length=2, choices=Channel)
    received_at = models.DateTimeField("接收时间")
    remote_ip = models.CharField("来源IP", max_length=45, blank=True)
    headers = models.JSONField("请求头", default=dict)
    body = models.BinaryField("原始报文", editable=False)
    body_size = models.PositiveIntegerField("报文字节数", default=0)
    body_sha256 = models.CharField("报文SHA-256", max_length=64, blank=True, db_default="")  # of the uncut body
    is_genuine = models.BooleanField("确认来自微信", db_default=False)  # 1.1.0 kept some that nothing proved

    verdict = models.CharField("结论", max_length=10, choices=Verdict)
    kind = models.CharField("类型", max_length=32, blank=True)
    out_trade_no = models.CharField("商户订单号", max_length=64, blank=True)
    result = models.CharField("处理结果", max_length=255, blank=True)
    http_status = models.PositiveSmallIntegerField("应答状态码", default=0)
    handled_at = models.DateTimeField("处理时间", null=True, blank=True)
    replays = models.PositiveIntegerField("重放次数", default=0)  # only 1.1.0 handles one again
    # A failure that staff have looked at and that needs nothing more.
    acknowledged_at = models.DateTimeField("知悉时间", null=True, blank=True)
    acknowledged_by = models.CharField("知悉人", max_length=64, blank=True, default="", db_default="")

    class Meta:
        verbose_name = verbose_name_plural = "通知记录"
        ordering = ["-received_at", "-pk"]
        indexes = [
            models.Index(fields=["-received_at", "-id"], name="event_newest"),
            models.Index(fields=["out_trade_no"], condition=~Q(out_trade_no=""), name="event_order"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} 通知 #{self.pk}"


class BillRun(models.Model):
    """The latest comparison of one day with one merchant's bill."""

    class State(models.TextChoices):
        DONE = "done", "已核对"
        RUNNING = "running", "正在核对"  # staff asked for it again
        WAITING = "waiting", "账单未出"
        FAILED = "failed", "未能核对"

    mch_id = models.CharField("商户号", max_length=32)
    day = models.DateField("账单日")
    state = models.CharField("结果", max_length=10, choices=State)
    ran_at = models.DateTimeField("核对时间")
    claimed_until = models.DateTimeField("核对占用至", null=True, blank=True, editable=False)
    rows = models.PositiveIntegerField("笔数", default=0)
    foreign_rows = models.PositiveIntegerField("其他系统的笔数", default=0)  # other systems may use our merchant number
    paid_fen = models.BigIntegerField("收款（分）", default=0)
    refunded_fen = models.BigIntegerField("退款（分）", default=0)
    # Fees less what came back of them with refunds. Empty in runs of a release that did not read them.
    fee_fen = models.BigIntegerField("手续费（分）", null=True, blank=True)
    fee_rates = models.CharField("费率", max_length=RATES_LENGTH, blank=True, default="", db_default="")
    differences = models.PositiveIntegerField("差异", default=0)  # those still open when the run ended
    sha1 = models.CharField("账单摘要", max_length=40, blank=True)
    last_error = models.CharField("最近错误", max_length=255, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "对账记录"
        ordering = ["-day", "mch_id"]
        constraints = [models.UniqueConstraint(fields=["mch_id", "day"], name="bill_run_once_a_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.mch_id}"


class DifferenceKind(models.TextChoices):
    STRAY_MONEY = "stray_money", "有款无单"
    NO_MONEY = "no_money", "有单无款"
    AMOUNT = "amount", "金额不同"
    STATE = "state", "状态不同"
    REFUND_UNKNOWN_HERE = "refund_here", "本地没有的退款"
    REFUND_UNKNOWN_THERE = "refund_there", "微信没有的退款"


# A bill's states.
_PAYMENT_WORDS = {"SUCCESS": "支付成功", "REVOKED": "已撤销"}
_REFUND_WORDS = {"SUCCESS": "退款成功", "PROCESSING": "退款中", "FAIL": "退款失败", "CHANGE": "转入异常"}


class Difference(models.Model):
    """A payment or refund about which the provider's bill and our records disagree. It ends when they agree."""

    class Ending(models.TextChoices):
        OPEN = "", "未处理"
        GONE = "gone", "已一致"
        ACCEPTED = "accepted", "人工核对"

    mch_id = models.CharField("商户号", max_length=32)
    day = models.DateField("账单日")
    kind = models.CharField("差异", max_length=16, choices=DifferenceKind)
    out_trade_no = models.CharField("商户订单号", max_length=64)
    out_refund_no = models.CharField("商户退款单号", max_length=64, blank=True)  # "" for a difference about a payment
    # What the bill says. Empty if the bill does not list it.
    appid = models.CharField("AppID", max_length=32, blank=True)
    transaction_id = models.CharField("微信支付订单号", max_length=64, blank=True)
    refund_id = models.CharField("微信退款单号", max_length=64, blank=True)
    bill_state = models.CharField("账单状态", max_length=16, blank=True)
    bill_fen = models.BigIntegerField("账单金额（分）", null=True, blank=True)
    bill_at = models.DateTimeField("账单时间", null=True, blank=True)
    # What our records say.
    our_state = models.CharField("本地状态", max_length=16, blank=True)
    our_fen = models.BigIntegerField("本地金额（分）", null=True, blank=True)

    note = models.CharField("说明", max_length=255, blank=True)
    found_at = models.DateTimeField("发现时间")
    ending = models.CharField("处理", max_length=10, choices=Ending, default=Ending.OPEN, blank=True)
    ended_at = models.DateTimeField("结束时间", null=True, blank=True)
    ended_by = models.CharField("处理人", max_length=64, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "对账差异"
        ordering = ["-day", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["mch_id", "day", "out_trade_no", "out_refund_no"], name="difference_once_a_day"
            ),
            models.CheckConstraint(
                condition=Q(ending="", ended_at=None) | (~Q(ending="") & Q(ended_at__isnull=False)),
                name="difference_open_or_ended",
            ),
        ]
        indexes = [models.Index(fields=["day"], condition=Q(ending=""), name="difference_open")]

    def __str__(self) -> str:
        return f"{self.day} {self.number}"

    @property
    def number(self) -> str:
        return self.out_refund_no or self.out_trade_no

    def set_ours(self, kind: str, ours: Any) -> None:
        """Set how the two sides differ, and ours: a payment, a refund or None."""
        self.kind = kind
        self.our_state = ours.get_state_display() if ours else ""
        self.our_fen = ours.amount_fen if ours else None

    @property
    def there(self) -> str:
        """What the bill says, for people; a state that its documentation does not name stays as it is."""
        words = _REFUND_WORDS if self.out_refund_no else _PAYMENT_WORDS
        return _side(words.get(self.bill_state, self.bill_state), self.bill_fen)

    @property
    def here(self) -> str:
        return _side(self.our_state, self.our_fen)


def _side(state: str, fen: int | None) -> str:
    return "没有" if fen is None else f"{state} {fen_text(fen)}"
