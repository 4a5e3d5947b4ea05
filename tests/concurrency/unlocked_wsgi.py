"""The application with the shop's lock off: stock is read, then written. It oversells, so the race test can fail."""

import time

from config.wsgi import application
from shop.errors import StockShortage
from shop.models import OrderLine, Product
from shop.services import order_create


def stock_take_unlocked(quantities, scope):
    calls = []
    for pk, quantity in quantities.items():
        product = Product.objects.get(pk=pk)
        if product.stock < quantity:
            raise StockShortage(product.name)
        time.sleep(0.002)  # what a page, a log line, a slow disk put between looking and writing
        Product.objects.filter(pk=pk).update(stock=product.stock - quantity)
        line = OrderLine(product_id=pk, product_code=product.product_id, price=product.price, quantity=quantity)
        calls.append(line)
    return calls


order_create.stock_take = stock_take_unlocked

__all__ = ["application"]
