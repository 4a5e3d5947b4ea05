"""The columns of an export of orders."""

from decimal import Decimal

from core.admin.exports import Column
from core.times import dash
from shop.models import Order
from shop.states import PayStatus, State


def _goods(order: Order) -> str:
    return "；".join(str(line) for line in order.lines.all())


def _received(order: Order) -> Decimal:
    return order.total if order.pay_status == PayStatus.PAID else Decimal(0)


ORDER_COLUMNS = (
    Column("订单号", 34, lambda order: order.order_id),
    Column("下单时间", 20, lambda order: dash(order.created_at)),
    Column("买家", 14, lambda order: order.username),
    Column("状态", 12, lambda order: State(order.state).label),
    Column("商品", 40, _goods),
    Column("件数", 8, lambda order: sum(line.quantity for line in order.lines.all())),
    Column("金额（元）", 12, lambda order: order.total),
    Column("实收（元）", 12, _received),
    Column("已退款（元）", 12, lambda order: order.refunded),
    Column("付款时间", 20, lambda order: dash(order.paid_at)),
    Column("微信支付订单号", 32, lambda order: order.transaction_id),
    Column("收件人", 12, lambda order: order.recipient),
    Column("电话", 14, lambda order: order.phone),
    Column("收货地址", 40, lambda order: order.address),
    Column("快递公司", 12, lambda order: order.express_company),
    Column("快递单号", 20, lambda order: order.express_no),
    Column("说明", 30, lambda order: order.note),
    Column("需关注", 30, lambda order: order.flag_reason),
)
