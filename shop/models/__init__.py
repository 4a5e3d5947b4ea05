"""What is sold, what lies in carts, what was ordered."""

from shop.models.cart import CartItem
from shop.models.catalogue import Category, Product
from shop.models.courier import Courier
from shop.models.order import LineRefund, Order, OrderLine, OrderLog, PartRefund
from shop.models.view import OrderColumns, OrderView
from shop.models.vip import VipGrant

__all__ = [
    "CartItem",
    "Category",
    "Courier",
    "LineRefund",
    "Order",
    "OrderColumns",
    "OrderLine",
    "OrderLog",
    "OrderView",
    "PartRefund",
    "Product",
    "VipGrant",
]
