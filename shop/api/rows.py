"""Records as clients read them: the seed's keys, prices as numbers of yuan, times as ``2020-12-31,12:59:59``."""

from datetime import datetime
from typing import Any

from core.ids import object_id
from core.money import wire
from core.times import comma
from shop.models import CartItem, Category, Order, OrderLine, Product
from shop.states import FACES, OrderStatus, PayStatus, State


def category_row(category: Category) -> dict[str, Any]:
    return {
        "updateTime": comma(category.updated_at),
        "updator": category.updator or None,
        "_id": object_id(category.created_at, category.pk),
        "category_id": category.category_id,
        "categoryName": category.name,
        "categoryImgurl": category.image_url,
        "creator": category.creator,
        "createTime": comma(category.created_at),
        "__v": 0,
    }


def product_row(product: Product) -> dict[str, Any]:
    return {
        "updateTime": comma(product.updated_at),
        "updator": product.updator or None,
        "_id": object_id(product.created_at, product.pk),
        "product_id": product.product_id,
        "category_id": product.category.category_id,
        "categoryName": product.category.name,
        "productName": product.name,
        "price": wire(product.price),
        "description": product.description,
        "inventory": product.stock,
        "imageUrl": product.image_url,
        "creator": product.creator,
        "createTime": comma(product.created_at),
        "__v": 0,
    }


def cart_row(item: CartItem, unid: str) -> dict[str, Any]:
    """A row of the cart of the user ``unid``."""
    product = item.product
    return {
        "_id": object_id(item.created_at, item.pk),
        "unid": unid,
        "cart_id": product.product_id,  # the two mean the same to every call of the cart
        "product_id": product.product_id,
        "title": product.name,
        "productName": product.name,
        "price": wire(product.price),
        "imageUrl": product.image_url,
        "quantity": item.quantity,
        "count": item.quantity,
        "isChecked": item.is_checked,
        "isOnSale": product.is_on_sale,
        "inventory": product.stock if product.is_on_sale else 0,
        "create_time": comma(item.created_at),
        "__v": 0,
    }


def order_row(order: Order, now: datetime) -> dict[str, Any]:
    """An order with its rows; ``order.user`` and ``order.lines`` are read.

    Clients merge the first row into its order, so a name that both have means the same in both.
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
        "create_time": comma(order.created_at),
        "createTime": comma(order.created_at),
        "expire_time": comma(order.expires_at) if state is State.OPEN else None,
        "pay_time": comma(order.paid_at),
        "transaction_id": order.transaction_id,
        "orderDetail": [_line_row(order, line) for line in order.lines.all()],
        "__v": 0,
    }


def order_status(order: Order, now: datetime) -> dict[str, Any]:
    """The seed's three numbers, our own word for the state, and what there is to say about it."""
    state = order.effective_state(now)
    overdue = FACES[state].order_status if order.is_overdue(now) else None
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


def _line_row(order: Order, line: OrderLine) -> dict[str, Any]:
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
        "imageUrl": line.image_url,
        "__v": 0,
    }
