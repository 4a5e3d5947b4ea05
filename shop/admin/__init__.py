"""The back office of the shop. Money, stock and states change here only through the services."""

from shop.admin.catalogue import CategoryAdmin, CourierAdmin, ProductAdmin
from shop.admin.goods import GoodsRunAdmin
from shop.admin.order import OrderAdmin
