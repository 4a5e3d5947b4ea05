"""The columns of an export of orders, and of its sheets of goods and of refunds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from operator import attrgetter

from core.money import fen_to_yuan
from payments.models import Refund
from runs.exports import ExportColumn, ExportSheet
from shop.admin.order_cells import OrderCells
from shop.models import Order, OrderLog
from shop.models.order import logged
from shop.order_states import Event, PayStatus

PORTION = 2_000
_SHIPPING = logged(Event.SHIP, Event.UNSHIP)


@dataclass(frozen=True)
class OrderRow:
    """An order with what the file has of other tables."""

    order: Order
    shipped_at: datetime | None
    refunds: list[Refund]


def orders_loaded(orders: Iterable[Order]) -> Iterator[OrderRow]:
    remaining = iter(orders)
    while portion := list(islice(remaining, PORTION)):
        logs = OrderLog.objects.filter(_SHIPPING, order__in=[order.pk for order in portion]).order_by("pk")
        shipping_times = {log.order_id: log.at if log.tells_of(Event.SHIP) else None for log in logs}
        refunds = OrderCells([order for order in portion if order.refunded]).refunds
        for order in portion:
            yield OrderRow(order, shipping_times.get(order.pk), refunds.get(order.order_id, []))


def _received_yuan(row: OrderRow) -> Decimal:
    return row.order.total if row.order.pay_status == PayStatus.PAID else Decimal(0)


PHONE = ExportColumn("电话", 14, attrgetter("order.phone"))
ORDER_COLUMNS = (
    ExportColumn("订单号", 34, attrgetter("order.order_id")),
    ExportColumn("下单时间", 20, attrgetter("order.created_at")),
    ExportColumn("买家", 14, attrgetter("order.username")),
    ExportColumn("状态", 12, attrgetter("order.state_label")),
    ExportColumn("商品", 40, lambda row: "；".join(str(line) for line in row.order.lines.all())),
    ExportColumn("件数", 8, lambda row: sum(line.quantity for line in row.order.lines.all())),
    ExportColumn("金额（元）", 12, attrgetter("order.total"), True),
    ExportColumn("实收（元）", 12, _received_yuan, True),
    ExportColumn("已退款（元）", 12, attrgetter("order.refunded"), True),
    ExportColumn("付款时间", 20, attrgetter("order.paid_at")),
    ExportColumn("发货时间", 20, attrgetter("shipped_at")),
    ExportColumn("微信支付订单号", 32, attrgetter("order.transaction_id")),
    ExportColumn("收件人", 12, attrgetter("order.receiver_name")),
    PHONE,
    ExportColumn("收货地址", 40, attrgetter("order.address")),
    ExportColumn("快递公司", 12, attrgetter("order.express_company")),
    ExportColumn("快递单号", 20, attrgetter("order.express_no")),
    ExportColumn("快递费（元）", 12, attrgetter("order.courier_fee"), True),
    ExportColumn("发票号码", 22, attrgetter("order.invoice_no")),
    ExportColumn("说明", 30, attrgetter("order.note")),
    ExportColumn("需关注", 30, attrgetter("order.flag_reason")),
)
_LINES = (
    ExportColumn("订单号", 34, lambda line: line.order.order_id),
    ExportColumn("下单时间", 20, lambda line: line.order.created_at),
    ExportColumn("状态", 12, lambda line: line.order.state_label),
    ExportColumn("商品编号", 20, lambda line: line.product_code),
    ExportColumn("商品", 30, lambda line: line.title),
    ExportColumn("单价（元）", 12, lambda line: line.price),
    ExportColumn("数量", 8, lambda line: line.quantity),
    ExportColumn("小计（元）", 12, lambda line: line.amount, True),
    ExportColumn("已退件数", 10, lambda line: line.returned),
)
_REFUNDS = (
    ExportColumn("订单号", 34, lambda refund: refund.payment.out_trade_no),
    ExportColumn("退款单号", 36, lambda refund: refund.out_refund_no),
    ExportColumn("申请时间", 20, lambda refund: refund.created_at),
    ExportColumn("状态", 12, lambda refund: refund.get_state_display()),
    ExportColumn("金额（元）", 12, lambda refund: fen_to_yuan(refund.amount_fen), True),
    ExportColumn("原因", 30, lambda refund: refund.reason),
    ExportColumn("申请人", 14, lambda refund: refund.requested_by),
    ExportColumn("到账时间", 20, lambda refund: refund.refunded_at or refund.offline_at),
)
ORDER_SHEETS = (
    ExportSheet("商品", _LINES, lambda row: row.order.lines.all()),
    ExportSheet("退款", _REFUNDS, attrgetter("refunds")),
)
