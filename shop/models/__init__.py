"""What is sold, what lies in carts, what was ordered."""

from shop.models.catalogue import CartItem, Category, GoodsRun, Product
from shop.models.courier import Courier
from shop.models.order import LineRefund, NoParcel, Order, OrderLine, OrderLog, PartRefund, VipGrant
