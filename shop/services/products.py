"""Adding, changing and removing products."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from django.db import transaction

from permissions.scope import EVERYTHING, Scope
from shop.errors import (
    NothingChanged,
    ProductCategoryUnknown,
    ProductInvalid,
    RecordMissing,
    RecordUnknown,
)
from shop.models import Category, Product
from shop.models.catalogue import MAX_STOCK
from shop.services.time_ids import create_with_time_id
from uploads.services import image_adopt

log = structlog.get_logger("shop")


@transaction.atomic
def product_create(
    *,
    category_id: str,
    name: str,
    price: Decimal,
    stock: int,
    description: str = "",
    image_url: str = "",
    vip_level: int = 1,
    vip_days: int = 30,
    actor: str,
    scope: Scope = EVERYTHING,
    now: datetime,
) -> Product:
    """Create a product and put it on sale. ``stock`` is in pieces.

    :raises ProductCategoryUnknown: there is no such category, or ``scope`` does not show it.
    """
    category = _category(category_id, scope)

    def make(product_id: str) -> Product:
        return Product(
            product_id=product_id,
            category=category,
            name=name,
            price=price,
            stock=stock,
            description=description,
            image_url=image_url,
            vip_level=vip_level,
            vip_days=vip_days,
            creator=actor,
            created_by_id=scope.user_pk,
            created_at=now,
        )

    product = create_with_time_id(make, "product_id", now)
    _adopt_picture(product)
    return product


@transaction.atomic
def product_update(*, product_id: str, actor: str, scope: Scope = EVERYTHING, now: datetime, **changes: Any) -> Product:
    """Change some fields of a product; ``category_id`` moves it to another category.

    ``stock`` sets what can be ordered from now on. Pieces that unpaid orders hold are added when those orders close.

    :raises RecordMissing, NothingChanged, ProductCategoryUnknown: as named.
    :raises NotPermitted: ``scope`` shows the product, but does not allow changes.
    """
    product = _lock(product_id, scope)
    if product is None:
        raise RecordMissing
    scope.require_change(product)
    if (category_id := changes.pop("category_id", None)) is not None:
        # A client may post a product back with its old category, which may have been removed since.
        same = Category.objects.filter(pk=product.category_id, category_id=category_id).exists()
        if not same:
            changes["category"] = _category(category_id, scope)
    changes = {name: value for name, value in changes.items() if getattr(product, name) != value}
    if not changes:
        raise NothingChanged
    if "stock" in changes:
        log.info("stock set", product_id=product_id, old=product.stock, new=changes["stock"], actor=actor)
    for name, value in changes.items():
        setattr(product, name, value)
    product.updator, product.updated_at = actor, now
    product.save(update_fields=[*changes, "updator", "updated_at"])
    if "image_url" in changes:
        _adopt_picture(product)
    return product


@transaction.atomic
def product_restock(*, product_id: str, pieces: int, actor: str, scope: Scope = EVERYTHING, now: datetime) -> Product:
    """Add ``pieces`` to the stock (a negative number takes away); sales at the same time are not lost.

    :raises RecordMissing: there is no such product. :raises NotPermitted: as in :func:`product_update`.
    :raises ProductInvalid: the stock would be negative or over ``MAX_STOCK``.
    """
    product = _lock(product_id, scope)
    if product is None:
        raise RecordMissing
    scope.require_change(product)
    if not 0 <= product.stock + pieces <= MAX_STOCK:
        raise ProductInvalid(f"库存现有{product.stock}件，不能调整{pieces:+d}件")
    log.info("stock adjusted", product_id=product_id, old=product.stock, pieces=pieces, actor=actor)
    product.stock += pieces
    product.updator, product.updated_at = actor, now
    product.save(update_fields=["stock", "updator", "updated_at"])
    return product


@transaction.atomic
def product_remove(*, product_id: str, scope: Scope = EVERYTHING, now: datetime) -> None:
    """Take a product off sale for good. Orders keep their copies and the stock still comes back to it.

    :raises RecordUnknown: no product with this id is on sale. :raises NotPermitted: as in :func:`product_update`.
    """
    product = _lock(product_id, scope)
    if product is None:
        raise RecordUnknown
    scope.require_change(product)
    product.removed_at = now
    product.save(update_fields=["removed_at"])


@transaction.atomic
def catalogue_clear(*, user_pks: Sequence[int], now: datetime) -> int:
    """Take all products and categories that the users have entered off sale; return how many."""
    entered = {"created_by__in": user_pks, "removed_at": None}
    return sum(model.objects.filter(**entered).update(removed_at=now) for model in (Product, Category))


def _lock(product_id: str, scope: Scope) -> Product | None:
    products = Product.objects.select_for_update(no_key=True).filter(scope.visible(), product_id=product_id)
    return products.filter(removed_at=None).first()


def _category(category_id: str, scope: Scope) -> Category:
    categories = Category.objects.select_for_update().filter(scope.visible(), category_id=category_id)
    category = categories.filter(removed_at=None).first()
    if category is None:
        raise ProductCategoryUnknown
    return category


def _adopt_picture(product: Product) -> None:
    # Each picture has an owner of its own and is never released, since orders show the picture of their day.
    name = product.image_url.rpartition("/")[2][:60]
    image_adopt(url=product.image_url, owner=f"shop.Product:{product.pk}:{name}")
