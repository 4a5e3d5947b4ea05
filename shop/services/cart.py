"""Changing a user's cart, and which of its rows are checked for the order."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction

from core.errors import NothingChanged, RowUnknown
from permissions.scope import EVERYTHING, Scope
from shop.errors import CartProductGone, CartStockShort, CheckMatchesNothing, RecordUnknown
from shop.models import CartItem, Product
from shop.models.catalogue import MAX_STOCK


@transaction.atomic
def cart_add(*, user_pk: int, product_id: str, quantity: int, scope: Scope = EVERYTHING, now: datetime) -> None:
    """Add pieces of a product to the cart; pieces that are in it already stay.

    :raises CartProductGone: the product is not on sale, or ``scope`` does not show it.
    :raises CartStockShort: the cart would hold more pieces than are in stock.
    """
    product = Product.objects.filter(scope.visible(), product_id=product_id, removed_at=None).first()
    if product is None:
        raise CartProductGone
    if quantity > _most(product):
        raise CartStockShort
    item, is_new = CartItem.objects.select_for_update().get_or_create(
        user_id=user_pk, product=product, defaults={"quantity": quantity, "created_at": now}
    )
    if not is_new:
        if item.quantity + quantity > _most(product):
            raise CartStockShort
        item.quantity += quantity
        item.save(update_fields=["quantity"])


@transaction.atomic
def cart_update(*, user_pk: int, product_id: str, quantities: Iterable[int]) -> None:
    """Set how many pieces of a product are in the cart: the first of ``quantities`` that is not the present number.

    :raises RowUnknown: the product is not in the cart.
    :raises NothingChanged, CartStockShort: as named.
    """
    item = (
        CartItem.objects.select_for_update(of=("self",))
        .select_related("product")
        .filter(user_id=user_pk, product__product_id=product_id)
        .first()
    )
    if item is None:
        raise RowUnknown
    quantity = next((number for number in quantities if number != item.quantity), None)
    if quantity is None:
        raise NothingChanged
    if quantity > _most(item.product):
        raise CartStockShort
    item.quantity = quantity
    item.save(update_fields=["quantity"])


@transaction.atomic
def cart_check(*, user_pk: int, product_ids: Collection[str]) -> None:
    """Check exactly these products of the cart for the order.

    :raises CheckMatchesNothing: none of them is in the cart; nothing was changed.
    """
    items = _lock_all(user_pk)
    ids = frozenset(product_ids)  # a set, so that a long list does not keep the rows locked
    pks = [item.pk for item in items if item.product.product_id in ids]
    if not pks:
        raise CheckMatchesNothing
    CartItem.objects.filter(pk__in=pks, is_checked=False).update(is_checked=True)
    CartItem.objects.filter(user_id=user_pk, is_checked=True).exclude(pk__in=pks).update(is_checked=False)


@transaction.atomic
def cart_remove(*, user_pk: int, product_ids: Collection[str]) -> None:
    """Remove products from the cart.

    :raises RecordUnknown: none of them is in the cart.
    """
    ids = frozenset(product_ids)
    pks = [item.pk for item in _lock_all(user_pk) if item.product.product_id in ids]
    if not pks:
        raise RecordUnknown
    CartItem.objects.filter(pk__in=pks).delete()


def _lock_all(user_pk: int) -> list[CartItem]:
    # Lock rows in the same order as checkout does, so that the two cannot deadlock.
    rows = CartItem.objects.select_for_update(of=("self",)).select_related("product").filter(user_id=user_pk)
    return list(rows.order_by("product_id"))


def _most(product: Product) -> int:
    """Return how many pieces a cart may hold: the stock, which checkout checks again; 0 if the product is off sale."""
    return min(product.stock, MAX_STOCK) if product.is_on_sale else 0
