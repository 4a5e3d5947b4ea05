"""The columns of an export of orders."""

from decimal import Decimal

from core.admin.exports import ExportColumn
from core.times import dash
from shop.models import Order
from shop.states import PayStatus, State


def _goods(order: Order) -> str:
    return "；".join(str(line) for line in order.lines.all())


def _received(order: Order) -> Decimal:
    return order.total if order.pay_status == PayStatus.PAID else Decimal(0)


ORDER_COLUMNS = (
    ExportColumn("订单号", 34, lambda order: order.order_id),
    ExportColumn("下单时间", 20, lambda order: dash(order.created_at)),
    ExportColumn("买家", 14, lambda order: order.username),
    ExportColumn("状态", 12, lambda order: State(order.state).label),
    ExportColumn("商品", 40, _goods),
    ExportColumn("件数", 8, lambda order: sum(line.quantity for line in order.lines.all())),
    ExportColumn("金额（元）", 12, lambda order: order.total),
    ExportColumn("实收（元）", 12, _received),
    ExportColumn("已退款（元）", 12, lambda order: order.refunded),
    ExportColumn("付款时间", 20, lambda order: dash(order.paid_at)),
    ExportColumn("微信支付订单号", 32, lambda order: order.transaction_id),
    ExportColumn("收件人", 12, lambda order: order.recipient),
    ExportColumn("电话", 14, lambda order: order.phone),
    ExportColumn("收货地址", 40, lambda order: order.address),
    ExportColumn("快递公司", 12, lambda order: order.express_company),
    ExportColumn("快递单号", 20, lambda order: order.express_no),
    ExportColumn("说明", 30, lambda order: order.note),
    ExportColumn("需关注", 30, lambda order: order.flag_reason),
)
