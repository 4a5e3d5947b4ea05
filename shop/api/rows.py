"""Records as clients read them: the keys of the API document, prices as numbers in yuan, times as in ``_Moment``."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, NotRequired, TypedDict

from core.api.request import full_url
from core.ids import object_id
from core.money import wire
from core.times import format_shop_time
from shop.models import CartItem, Category, Order, OrderLine, Product
from shop.models.catalogue import VIP_CATEGORY_ID
from shop.states import API_STATUSES, OrderStatus, PayStatus, State

_Moment = Annotated[str, "2020-12-31,12:59:59"]

CategoryJson = TypedDict(
    "CategoryJson",
    {
        "updateTime": _Moment | None,
        "updator": str | None,
        "_id": str,
        "category_id": str,
        "categoryName": str,
        "categoryImgurl": str,
        "creator": str,
        "createTime": _Moment,
        "__v": int,
    },
)
ProductJson = TypedDict(
    "ProductJson",
    {
        "updateTime": _Moment | None,
        "updator": str | None,
        "_id": str,
        "product_id": str,
        "category_id": str,
        "categoryName": str,
        "productName": str,
        "price": Annotated[float, "单价,元"],
        "description": str,
        "inventory": Annotated[int, "可售件数"],
        "imageUrl": str,
        "vip_level": NotRequired[Annotated[int, "VIP 等级,只有 VIP 类目的商品才有"]],
        "vip_days": NotRequired[Annotated[int, "每件延长的天数,只有 VIP 类目的商品才有"]],
        "creator": str,
        "createTime": _Moment,
        "__v": int,
    },
)
CartRowJson = TypedDict(
    "CartRowJson",
    {
        "_id": str,
        "unid": str,
        "cart_id": Annotated[str, "与 product_id 相同"],
        "product_id": str,
        "title": str,
        "productName": str,
        "price": Annotated[float, "单价,元"],
        "imageUrl": str,
        "quantity": int,
        "count": Annotated[int, "与 quantity 相同"],
        "isChecked": bool,
        "isOnSale": bool,
        "inventory": Annotated[int, "可售件数"],
        "create_time": _Moment,
        "__v": int,
    },
)
OrderRowJson = TypedDict(
    "OrderRowJson",
    {
        "_id": str,
        "order_id": str,
        "product_id": str,
        "title": str,
        "productName": str,
        "price": Annotated[float, "单价,元"],
        "quantity": int,
        "count": Annotated[int, "与 quantity 相同"],
        "subtotal": Annotated[float, "小计,元"],
        "description": str,
        "imageUrl": str,
        "__v": int,
    },
)


class OrderStatusJson(TypedDict):
    order_status: Annotated[int, "0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货"]
    pay_status: Annotated[int, "0未支付 1已支付"]
    shiping_status: Annotated[int, "0未发货 1已发货 2已收货 3备货中"]
    state_text: Annotated[str, "状态的文字"]
    note: Annotated[str, "说明,可能为空"]


OrderJson = TypedDict(
    "OrderJson",
    {
        "_id": str,
        "order_id": str,
        "order_status": Annotated[int, "0未提交 1提交成功 2已经取消 3无效订单 4交易关闭 5退货"],
        "pay_status": Annotated[int, "0未支付 1已支付"],
        "shiping_status": Annotated[int, "0未发货 1已发货 2已收货 3备货中"],
        "state_text": str,
        "note": str,
        "total_fee": Annotated[float, "应付金额,元"],
        "unid": str,
        "username": str,
        "user_nickname": str,
        "user_phone": Annotated[str, "收货电话"],
        "phone": Annotated[str, "与 user_phone 相同"],
        "address": str,
        "recipient": Annotated[str, "收件人,下单时没有填写则为空"],
        "express_company": Annotated[str, "快递公司,没有时为空"],
        "express_no": Annotated[str, "快递单号,没有时为空"],
        "create_time": _Moment,
        "createTime": _Moment,
        "expire_time": Annotated[str | None, "付款截止时间,只有待付款的订单才有"],
        "pay_time": _Moment | None,
        "transaction_id": Annotated[str, "微信支付订单号,没有时为空"],
        "orderDetail": list[OrderRowJson],
        "__v": int,
    },
)


def category_row(category: Category) -> CategoryJson:
    return {
        "updateTime": format_shop_time(category.updated_at),
        "updator": category.updator or None,
        "_id": object_id(category.created_at, category.pk),
        "category_id": category.category_id,
        "categoryName": category.name,
        "categoryImgurl": full_url(category.image_url),
        "creator": category.creator,
        "createTime": format_shop_time(category.created_at),
        "__v": 0,
    }


def product_row(product: Product) -> ProductJson:
    row: ProductJson = {
        "updateTime": format_shop_time(product.updated_at),
        "updator": product.updator or None,
        "_id": object_id(product.created_at, product.pk),
        "product_id": product.product_id,
        "category_id": product.category.category_id,
        "categoryName": product.category.name,
        "productName": product.name,
        "price": wire(product.price),
        "description": product.description,
        "inventory": product.stock,
        "imageUrl": full_url(product.image_url),
        "creator": product.creator,
        "createTime": format_shop_time(product.created_at),
        "__v": 0,
    }
    if product.category.category_id == VIP_CATEGORY_ID:
        row |= {"vip_level": product.vip_level, "vip_days": product.vip_days}
    return row


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
    overdue = API_STATUSES[state].order_status if order.is_overdue(now) else None
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
