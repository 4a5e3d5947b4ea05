"""Records as clients read them: the keys of the API document, prices as numbers in yuan, times as in ``_Moment``."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, TypedDict

from core.api.request import full_url
from core.ids import object_id
from core.money import wire
from core.times import format_shop_time
from shop.models import CartItem, Category, Order, OrderLine, Product
from shop.order_states import STATUSES, OrderStatus, PayStatus, State

_Moment = Annotated[str, "2020-12-31,12:59:59"]

# In this form because of names that a class would mangle.
_Record = TypedDict("_Record", {"_id": str, "__v": int})


class _EnteredJson(_Record):
    createTime: _Moment
    creator: str
    updateTime: _Moment | None
    updator: str | None


class CategoryJson(_EnteredJson):
    category_id: str
    categoryName: str
    categoryImgurl: str


class _VipJson(TypedDict, total=False):
    vip_level: Annotated[int, "VIP 等级,只有 VIP 类目的商品才有"]
    vip_days: Annotated[int, "每件延长的天数,只有 VIP 类目的商品才有"]


class ProductJson(_EnteredJson, _VipJson):
    product_id: str
    category_id: str
    categoryName: str
    productName: str
    price: Annotated[float, "单价,元"]
    description: str
    inventory: Annotated[int, "可售件数"]
    imageUrl: str


class _PiecesJson(_Record):
    product_id: str
    title: str
    productName: str
    price: Annotated[float, "单价,元"]
    imageUrl: str
    quantity: int
    count: Annotated[int, "与 quantity 相同"]


class CartRowJson(_PiecesJson):
    unid: str
    cart_id: Annotated[str, "与 product_id 相同"]
    isChecked: bool
    isOnSale: bool
    inventory: Annotated[int, "可售件数"]
    create_time: _Moment


class OrderRowJson(_PiecesJson):
    order_id: str
    subtotal: Annotated[float, "小计,元"]
    description: str


class OrderStatusJson(TypedDict):
    order_status: Annotated[int, "0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货"]
    pay_status: Annotated[int, "0未支付 1已支付"]
    shiping_status: Annotated[int, "0未发货 1已发货 2已收货 3备货中"]
    state_text: Annotated[str, "状态的文字"]
    note: Annotated[str, "说明,可能为空"]


class OrderJson(OrderStatusJson, _Record):
    order_id: str
    total_fee: Annotated[float, "应付金额,元"]
    unid: str
    username: str
    user_nickname: str
    user_phone: Annotated[str, "收货电话"]
    phone: Annotated[str, "与 user_phone 相同"]
    address: str
    recipient: Annotated[str, "收件人,下单时没有填写则为空"]
    express_company: Annotated[str, "快递公司,没有时为空"]
    express_no: Annotated[str, "快递单号,没有时为空"]
    create_time: _Moment
    createTime: _Moment
    expire_time: Annotated[str | None, "付款截止时间,只有待付款的订单才有"]
    pay_time: _Moment | None
    transaction_id: Annotated[str, "微信支付订单号,没有时为空"]
    orderDetail: list[OrderRowJson]


def category_row(category: Category) -> CategoryJson:
    return {
        **_entry_fields(category),
        "category_id": category.category_id,
        "categoryName": category.name,
        "categoryImgurl": full_url(category.image_url),
    }


def product_row(product: Product) -> ProductJson:
    vip: _VipJson = {"vip_level": product.vip_level, "vip_days": product.vip_days} if product.is_vip else {}
    return {
        **_entry_fields(product),
        **vip,
        "product_id": product.product_id,
        "category_id": product.category.category_id,
        "categoryName": product.category.name,
        "productName": product.name,
        "price": wire(product.price),
        "description": product.description,
        "inventory": product.stock,
        "imageUrl": full_url(product.image_url),
    }


def _entry_fields(row: Category | Product) -> _EnteredJson:
    return {
        "_id": object_id(row.created_at, row.pk),
        "__v": 0,
        "createTime": format_shop_time(row.created_at),
        "creator": row.creator,
        "updateTime": format_shop_time(row.updated_at),
        "updator": row.updator or None,
    }


def cart_row(item: CartItem, unid: str) -> CartRowJson:
    """Return a row of the cart of the user ``unid``."""
    product = item.product
    return {
        "_id": object_id(item.created_at, item.pk),
        "unid": unid,
        "cart_id": product.product_id,  # the cart's calls take either name
        "product_id": product.product_id,
        "title": product.name,
        "productName": product.name,
        "price": wire(product.price),
        "imageUrl": full_url(product.image_url),
        "quantity": item.quantity,
        "count": item.quantity,
        "isChecked": item.is_checked,
        "isOnSale": product.is_on_sale,
        "inventory": product.stock if product.is_on_sale else 0,
        "create_time": format_shop_time(item.created_at),
        "__v": 0,
    }


def order_row(order: Order, lines: Iterable[OrderLine], now: datetime) -> OrderJson:
    """Return an order with its lines. Load ``order.user`` before.

    Clients copy the first line over its order, so a key that both have must mean the same in both.
    """
    state = order.effective_state(now)
    return {
        "_id": object_id(order.created_at, order.pk),
        "order_id": order.order_id,
        **order_status(order, now),
        "total_fee": wire(order.total),
        "unid": order.user.unid if order.user else "",
        "username": order.username,
        "user_nickname": (order.user and order.user.nickname) or order.username,
        "user_phone": order.phone,
        "phone": order.phone,
        "address": order.address,
        "recipient": order.recipient,
        "express_company": order.express_company,
        "express_no": order.express_no,
        "create_time": format_shop_time(order.created_at),
        "createTime": format_shop_time(order.created_at),
        "expire_time": format_shop_time(order.expires_at) if state is State.OPEN else None,
        "pay_time": format_shop_time(order.paid_at),
        "transaction_id": order.transaction_id,
        "orderDetail": [_line_row(order, line) for line in lines],
        "__v": 0,
    }


def order_status(order: Order, now: datetime) -> OrderStatusJson:
    """Return the three numbers of the API document, the state's name in Chinese, and the note about the order."""
    state = order.effective_state(now)
    overdue = STATUSES[state].order_status if order.is_overdue(now) else None
    return {
        "order_status": int(overdue if overdue is not None else order.order_status),
        "pay_status": order.pay_status,
        "shiping_status": order.shiping_status,
        "state_text": _state_text(order, state),
        "note": order.note,
    }


def _state_text(order: Order, state: State) -> str:
    if order.pay_status == PayStatus.PAID and order.order_status not in (OrderStatus.SUBMITTED, OrderStatus.RETURNED):
        return f"{OrderStatus(order.order_status).label},{state.label}"  # paid too late
    return state.label


def _line_row(order: Order, line: OrderLine) -> OrderRowJson:
    return {
        "_id": object_id(order.created_at, line.pk),
        "order_id": order.order_id,
        "product_id": line.product_code,
        "title": line.title,
        "productName": line.title,
        "price": wire(line.price),
        "quantity": line.quantity,
        "count": line.quantity,
        "subtotal": wire(line.amount),
        "description": line.description,
        "imageUrl": full_url(line.image_url),
        "__v": 0,
    }
