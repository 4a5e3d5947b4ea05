"""The application with the shop's lock off: stock is read, then written. It oversells, so the race test can fail."""

import time

from config.wsgi import application
from shop.errors import StockShortage
from shop.models import Product
from shop.services import order_create
from shop.services.stock import Taken


def stock_take_unlocked(wanted, scope):
    taken = []
    for pk, quantity in wanted.items():
        product = Product.objects.get(pk=pk)
        if product.stock < quantity:
            raise StockShortage(product.name)
        time.sleep(0.002)  # what a page, a log line, a slow disk put between looking and writing
        Product.objects.filter(pk=pk).update(stock=product.stock - quantity)
        facts = (product.product_id, product.name, product.price, product.description, product.image_url)
        taken.append(Taken(pk, *facts, vip_level=0, vip_days=0, quantity=quantity))
    return taken


order_create.stock_take = stock_take_unlocked

__all__ = ["application"]
