"""The only two functions that change stock for orders.

Both lock products in the order of their pk, so that two orders of the same products cannot deadlock.
"""

from collections.abc import Mapping

from django.db.models import F

from core.db.reading import prepared_rows
from permissions.scope import EVERYTHING, Scope
from shop.errors import ProductGone, StockShortage
from shop.models import OrderLine, Product
from shop.models.catalogue import VIP_CATEGORY_ID

# One statement checks, takes and returns the price: two buyers cannot both get the last piece, and the price is the
# one of the moment in which the pieces were taken.
_TAKE = """
UPDATE shop_product SET stock = stock - %(quantity)s
WHERE id = %(pk)s AND removed_at IS NULL AND stock >= %(quantity)s
  AND (created_by_id = %(only_of)s OR NOT %(is_narrow)s)
RETURNING product_id, name, price, description, image_url,
  vip_level, vip_days, EXISTS (
    SELECT FROM shop_category c WHERE c.id = shop_product.category_id AND c.category_id = %(vip)s
  )
"""


def stock_take(quantities: Mapping[int, int], *, scope: Scope = EVERYTHING) -> list[OrderLine]:
    """Take pieces off the shelf: product pk to quantity. Call it in a transaction that a refusal undoes.

    Returns a line for each product, as it was at the moment in which its pieces were taken; not saved, and of no order.

    :raises StockShortage: fewer pieces of a product are left.
    :raises ProductGone: a product is not on sale any more, or ``scope`` does not show it.
    """
    return [_take(pk, quantities[pk], scope) for pk in sorted(quantities)]


def stock_give_back(pieces: Mapping[int, int]) -> None:
    """Put pieces back: product pk to quantity.

    Call it only while the order is locked and something of it changes once, so that the pieces return once: its state,
    or what a line counts as put back.
    """
    for pk in sorted(pieces):
        Product.objects.filter(pk=pk).update(stock=F("stock") + pieces[pk])


def _take(pk: int, quantity: int, scope: Scope) -> OrderLine:
    values = {"pk": pk, "quantity": quantity, "vip": VIP_CATEGORY_ID}
    rows = prepared_rows(_TAKE, values | {"is_narrow": scope.is_narrow, "only_of": scope.user_pk})
    if not rows:
        product = Product.objects.filter(scope.visible(), pk=pk, removed_at=None).first()
        raise StockShortage(product.name) if product else ProductGone
    code, title, price, description, image_url, vip_level, vip_days, is_vip = rows[0]
    return OrderLine(
        product_id=pk,
        product_code=code,
        title=title,
        price=price,
        quantity=quantity,
        description=description,
        image_url=image_url,
        vip_level=vip_level if is_vip else 0,  # 0: goods
        vip_days=vip_days if is_vip else 0,
    )
