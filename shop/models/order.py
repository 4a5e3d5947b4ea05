"""Orders with their lines, log and VIP time; and how members of staff want the list of orders."""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Reverse

from core.money import yuan_to_fen
from shop.models.catalogue import NAME_LENGTH, URL_LENGTH
from shop.models.courier import COURIER_LENGTH, TRACKING_LENGTH
from shop.order_states import (
    ASKED,
    GOING_BACK,
    STATUSES,
    TO_DO,
    Event,
    Note,
    OrderStatus,
    PayStatus,
    ReturnStep,
    ShippingStatus,
    State,
)

# WeChat Pay documents no greatest amount. This is far above any order, and fits every column and integer.
MAX_TOTAL = Decimal("9999999.99")
RECIPIENT_LENGTH = 64
PHONE_LENGTH = 32
ADDRESS_LENGTH = 200
REASON_LENGTH = 200
INVOICE_LENGTH = 40
REMARK_LENGTH = 500


def _fits_its_face() -> Q:
    """Return the condition that the three numbers are those that ``STATUSES`` gives for the state."""
    return reduce(or_, (Q(state=state.value, **status.numbers) for state, status in STATUSES.items()))


def _index_of_beginnings(column: str) -> models.Index:
    return models.Index(
        fields=[column], name=f"order_{column}", opclasses=["varchar_pattern_ops"], condition=~Q(**{column: ""})
    )


class PartRefund(models.TextChoices):
    NONE = "", "没有"
    UNDER_WAY = "under_way", "退款中"
    STUCK = "stuck", "退款异常"


class NoParcel(models.TextChoices):
    """Why an order was sent without a parcel's number; "" where it has one, or was sent over the API."""

    BY_HAND = "by_hand", "自取、面交（没有快递）"
    LATER = "later", "单号以后补"


class Order(models.Model):
    """An order. Its ``order_id`` is also the ``out_trade_no`` of its payment.

    ``state`` decides; the three numbers of the API document follow from it (``shop.order_states.STATUSES``).
    """

    order_id = models.CharField("订单号", max_length=32, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name="买家", related_name="+", db_index=False
    )
    username = models.CharField("买家用户名", max_length=64)
    total = models.DecimalField("金额（元）", max_digits=12, decimal_places=2)
    # ``db_default``: 1.1.0 inserts orders without these columns.
    recipient = models.CharField("收件人", max_length=RECIPIENT_LENGTH, blank=True, default="", db_default="")
    phone = models.CharField("电话", max_length=PHONE_LENGTH, blank=True)
    address = models.CharField("收货地址", max_length=ADDRESS_LENGTH, blank=True)
    express_company = models.CharField("快递公司", max_length=COURIER_LENGTH, blank=True, default="", db_default="")
    express_no = models.CharField("快递单号", max_length=TRACKING_LENGTH, blank=True, default="", db_default="")
    no_parcel = models.CharField("没有单号", max_length=10, choices=NoParcel, blank=True, default="", db_default="")
    # What the courier charges for all parcels of the order; None until staff know it.
    courier_fee = models.DecimalField("快递费（元）", max_digits=8, decimal_places=2, null=True, blank=True)

    # The step counts while the order is in one of ``ASKED``. The number is that of the parcel with what comes back.
    return_step = models.CharField("退货进度", max_length=10, choices=ReturnStep, blank=True, default="", db_default="")
    return_no = models.CharField("寄回单号", max_length=TRACKING_LENGTH, blank=True, default="", db_default="")

    # Money that has gone back or is to go back. Without refunds that the provider closed.
    refunded = models.DecimalField("已退款（元）", max_digits=12, decimal_places=2, default=0, db_default=0)

    invoice_no = models.CharField("发票号码", max_length=INVOICE_LENGTH, blank=True, default="", db_default="")

    state = models.CharField("状态", max_length=20, choices=State, default=State.OPEN)
    # How the refunds of a part are, while the order goes on.
    part_refund = models.CharField("部分退款", max_length=10, choices=PartRefund, blank=True, default="", db_default="")
    order_status = models.SmallIntegerField("订单状态", choices=OrderStatus, default=OrderStatus.SUBMITTED)
    pay_status = models.SmallIntegerField("支付状态", choices=PayStatus, default=PayStatus.UNPAID)
    shiping_status = models.SmallIntegerField("配送状态", choices=ShippingStatus, default=ShippingStatus.NOT_SHIPPED)
    holds_stock = models.BooleanField("占用库存", default=True)  # whether its pieces are taken from the stock
    note = models.CharField("说明", max_length=200, blank=True)

    created_at = models.DateTimeField("下单时间")
    expires_at = models.DateTimeField("支付截止时间")
    payment_started_at = models.DateTimeField("发起支付时间", null=True, blank=True)
    paid_at = models.DateTimeField("支付时间", null=True, blank=True)
    transaction_id = models.CharField("微信支付订单号", max_length=32, blank=True)
    hidden_at = models.DateTimeField("买家删除时间", null=True, blank=True)

    # Set while staff have to keep an eye on the order. The log keeps who set and cleared it, and why.
    flagged_at = models.DateTimeField("需关注自", null=True, blank=True)
    flagged_by = models.CharField("标记人", max_length=64, blank=True, default="", db_default="")
    flag_reason = models.CharField("关注原因", max_length=REASON_LENGTH, blank=True, default="", db_default="")

    # The event to record once the payment is closed at WeChat Pay, and who asked for it; "" when there is none.
    closing = models.CharField("待关闭", max_length=20, blank=True)
    closing_by = models.CharField("关闭人", max_length=64, blank=True)
    # When the sweep looks at the order next: first its deadline, then the next try. Empty unless the order is open.
    sweep_at = models.DateTimeField("下次处理", null=True, blank=True)
    close_attempts = models.PositiveIntegerField("关单次数", default=0)

    class Meta:
        verbose_name = verbose_name_plural = "订单"
        ordering = ["-pk"]
        permissions = [
            ("ship_order", "发货"),
            ("decide_order", "处理退货申请"),
            ("refund_order", "退款"),
            ("export_order", "导出订单"),
            ("income_order", "看收入"),
            ("phone_order", "看完整电话"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(total__gt=0), name="order_total_above_zero"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("total")), name="order_refunded_within_total"
            ),
            models.CheckConstraint(condition=Q(courier_fee__gte=0), name="order_courier_fee_not_negative"),
            models.CheckConstraint(condition=_fits_its_face(), name="order_numbers_fit_state"),
            models.CheckConstraint(
                condition=Q(state=State.OPEN.value, sweep_at__isnull=False)
                | (~Q(state=State.OPEN.value) & Q(sweep_at=None)),
                name="order_open_is_swept",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[State.OPEN.value, State.PAID.value, State.PREPARING.value])
                | Q(holds_stock=True),
                name="order_open_holds_stock",
            ),
            models.CheckConstraint(
                condition=Q(flagged_at=None, flagged_by="", flag_reason="")
                | (Q(flagged_at__isnull=False) & ~Q(flagged_by="") & ~Q(flag_reason="")),
                name="order_flag_has_reason",
            ),
        ]
        indexes = [
            # Holds only open orders, so finished ones do not slow down the sweep.
            models.Index(fields=["sweep_at"], condition=Q(sweep_at__isnull=False), name="order_due"),
            models.Index(fields=["user", "-id"], name="order_of_user"),
            models.Index(fields=["-created_at"], name="order_newest"),
            models.Index(fields=["phone"], name="order_phone", opclasses=["varchar_pattern_ops"]),  # for a prefix
            models.Index(fields=["username"], name="order_buyer", opclasses=["varchar_pattern_ops"]),
            models.Index(OpClass(Reverse("phone"), name="text_pattern_ops"), name="order_phone_tail"),
            _index_of_beginnings("recipient"),
            _index_of_beginnings("express_no"),
            _index_of_beginnings("return_no"),
            # For a search by the last digits.
            models.Index(OpClass(Reverse("order_id"), name="text_pattern_ops"), name="order_tail"),
            # Holds only orders that staff must act on. Unpaid ones are in "order_due".
            models.Index(fields=["flagged_at"], condition=Q(flagged_at__isnull=False), name="order_flagged"),
            models.Index(fields=["part_refund"], condition=~Q(part_refund=""), name="order_part_refund"),
            models.Index(fields=["state"], condition=Q(state__in=[state.value for state in TO_DO]), name="order_to_do"),
        ]

    def __str__(self) -> str:
        return self.order_id

    @property
    def receiver_name(self) -> str:
        """The name for the parcel: older clients send no recipient."""
        return self.recipient or self.username

    @property
    def total_fen(self) -> int:
        return yuan_to_fen(self.total)

    @property
    def state_label(self) -> str:
        """The state as staff read it, with the step of a return."""
        step = self.return_step if self.state in ASKED else ""
        return str(ReturnStep(step).label if step else State(self.state).label)

    @property
    def has_left(self) -> bool:
        """Tell whether it was shipped; a refund of all that follows does not change that."""
        return self.shiping_status in (ShippingStatus.SHIPPED, ShippingStatus.RECEIVED)

    @property
    def has_failed_refund(self) -> bool:
        """Whether staff have to tend a refund, of all or of a part."""
        return self.state == State.REFUND_FAILED or self.part_refund == PartRefund.STUCK

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether the order is unpaid after its deadline. The sweep may not have closed it yet."""
        return self.state == State.OPEN and now >= self.expires_at

    def effective_state(self, now: datetime) -> State:
        """Return the state that the buyer sees: an overdue order counts as closed, even if the sweep is late."""
        return State.CLOSED if self.is_overdue(now) else State(self.state)


class OrderLine(models.Model):
    """A product of an order, with name, price and picture as they were when it was ordered."""

    order = models.ForeignKey(Order, models.PROTECT, verbose_name="订单", related_name="lines", db_index=False)
    product = models.ForeignKey("shop.Product", models.PROTECT, verbose_name="商品", related_name="+")
    product_code = models.CharField("商品编号", max_length=32)
    title = models.CharField("商品名称", max_length=NAME_LENGTH)
    description = models.TextField("商品描述", blank=True, default="", db_default="")
    price = models.DecimalField("单价（元）", max_digits=10, decimal_places=2)
    quantity = models.PositiveIntegerField("数量")
    image_url = models.CharField("商品图片", max_length=URL_LENGTH, blank=True)
    vip_level = models.PositiveSmallIntegerField("VIP 等级", default=0, db_default=0)  # 0: goods, not VIP time
    vip_days = models.PositiveSmallIntegerField("VIP 天数", default=0, db_default=0)
    # Pieces whose refund was asked for, and those of them that went back on the shelf.
    refunded_quantity = models.PositiveIntegerField("已退件数", default=0, db_default=0)
    restocked_quantity = models.PositiveIntegerField("放回货架的件数", default=0, db_default=0)
    # Pieces that came back in a return, whether their money did or not, and those of them that went on the shelf then.
    received_quantity = models.PositiveIntegerField("收到的退货件数", default=0, db_default=0)
    shelved_quantity = models.PositiveIntegerField("收到后放回货架的件数", default=0, db_default=0)

    class Meta:
        verbose_name = verbose_name_plural = "订单商品"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["order", "product"], name="line_once_per_product"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="line_quantity_above_zero"),
            models.CheckConstraint(condition=Q(price__gt=0), name="line_price_above_zero"),
            models.CheckConstraint(
                condition=Q(refunded_quantity__lte=F("quantity"), restocked_quantity__lte=F("refunded_quantity")),
                name="line_refunded_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(
                    shelved_quantity__lte=F("received_quantity"),
                    received_quantity__lte=F("quantity") - F("restocked_quantity"),
                ),
                name="line_received_within_quantity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} x {self.quantity}"

    @property
    def amount(self) -> Decimal:
        return self.price * self.quantity

    @property
    def left(self) -> int:
        """Pieces that are neither refunded nor on their way to be: those to ship, and those that can be refunded."""
        return self.quantity - self.refunded_quantity

    @property
    def outside(self) -> int:
        """Pieces that may still come back: no piece goes on the shelf twice."""
        return self.quantity - self.received_quantity - self.restocked_quantity

    @property
    def returned(self) -> int:
        """Pieces whose money has gone back or is to: all of them where all of the order's money does."""
        return self.quantity if self.order.state in GOING_BACK else self.refunded_quantity


class LineRefund(models.Model):
    """The pieces of one line that one refund of a part was for. Refunds of money alone have none."""

    line = models.ForeignKey(OrderLine, models.PROTECT, verbose_name="订单商品", related_name="refunds")
    out_refund_no = models.CharField("商户退款单号", max_length=64, db_index=True)  # of the first try
    quantity = models.PositiveIntegerField("件数")
    is_restocked = models.BooleanField("放回货架")

    class Meta:
        verbose_name = verbose_name_plural = "退款的商品"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["line", "out_refund_no"], name="line_refund_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="line_refund_quantity_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.out_refund_no} {self.line_id} x {self.quantity}"


LOG_LABELS: dict[str, str] = {event.value: str(event.label) for event in (*Event, *Note)}


def logged(*events: Event | Note) -> Q:
    """Match the rows of an order's log that tell of one of these events."""
    return Q(code__in=events) | Q(code="", event__in=[event.label for event in events])


class OrderLog(models.Model):
    """One step of an order: who did what and when. Written in the transaction of the step, and never changed."""

    order = models.ForeignKey(Order, models.PROTECT, verbose_name="订单", related_name="logs")
    at = models.DateTimeField("时间")
    actor = models.CharField("操作者", max_length=64)
    actor_key = models.CharField("操作者编号", max_length=64, blank=True, default="", db_default="", editable=False)
    # The value of an `Event` or a `Note`; `event` holds its label for 1.1.0, and 1.3.0 can drop it.
    # "" in rows that 1.1.0 writes, until `fill_new_columns` has run.
    code = models.CharField("事件代码", max_length=20, blank=True, default="", db_default="", editable=False)
    event = models.CharField("事件", max_length=64)
    from_state = models.CharField("原状态", max_length=20, choices=State, blank=True)
    to_state = models.CharField("新状态", max_length=20, choices=State)
    detail = models.CharField("说明", max_length=REMARK_LENGTH, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "订单日志"
        ordering = ["pk"]
        indexes = [BrinIndex(fields=["at"], name="order_log_day")]  # rows are added in the order of their times

    def __str__(self) -> str:
        return f"{self.order_id} {self.label}"

    @property
    def label(self) -> str:
        """What happened, for people."""
        return LOG_LABELS.get(self.code, self.event)

    def tells_of(self, *events: Event | Note) -> bool:
        return self.code in events if self.code else self.event in {event.label for event in events}


class VipGrant(models.Model):
    """The VIP time that a paid line gave its buyer. A line has at most one, so its time cannot be added twice.

    ``begins_at`` and ``ends_at`` are as things stood when it was given: what is bought or refunded later may move them.
    """

    line = models.OneToOneField("shop.OrderLine", models.PROTECT, verbose_name="订单商品", related_name="vip_grant")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="用户", related_name="+")
    level = models.PositiveSmallIntegerField("等级")
    level_before = models.PositiveSmallIntegerField("之前的等级")
    begins_at = models.DateTimeField("开始")
    ends_at = models.DateTimeField("结束")
    revoked_at = models.DateTimeField("撤销时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "VIP 时长"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gte=F("begins_at")), name="vip_grant_ends_after_begin")
        ]

    def __str__(self) -> str:
        return f"VIP{self.level} {self.begins_at:%Y-%m-%d} – {self.ends_at:%Y-%m-%d}"

    @property
    def span(self) -> timedelta:
        return self.ends_at - self.begins_at
