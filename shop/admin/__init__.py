"""The back office of the shop. Money, stock and states change here only through the services."""

from shop.admin.catalogue import CategoryAdmin, ProductAdmin
from shop.admin.order import OrderAdmin
from shop.admin.shipping import CourierAdmin

__all__ = ["CategoryAdmin", "CourierAdmin", "OrderAdmin", "ProductAdmin"]
