"""Adding, changing and removing categories and products."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.services.practice_ceilings import ceiling_keep
from core.audit import REASON, change_note
from core.errors import DomainError, NothingChanged, NotPermitted, RowUnknown
from core.ids import time17
from permissions.scope import EVERYTHING, Scope
from shop.errors import CategoryExists, CategoryInUse, ProductCategoryUnknown, ProductInvalid, RecordUnknown
from shop.models import Category, OrderLine, Product
from shop.models.catalogue import MAX_STOCK, VIP_CATEGORY_ID
from shop.selectors import goods_entered
from uploads.services import image_adopt, image_release, images_release

log = structlog.get_logger("shop")
MAX_ID_ATTEMPTS = 200
Row = TypeVar("Row", Category, Product)


# --- Categories ---
def category_create(
    *, name: str, image_url: str = "", actor: str, scope: Scope = EVERYTHING, now: datetime
) -> Category:
    """Create a category.

    :raises CategoryExists: there is one of this name among those that ``scope`` shows.
    :raises CeilingReached: on a practice server, there are as many as an account may have.
    """
    category = Category(name=name, image_url=image_url, is_private=scope.is_narrow)
    with _one_by_name(), transaction.atomic():
        _enter(category, "个类目", actor, scope, now)
    return category


def vip_category_create(*, name: str = "vip充值", actor: str, now: datetime) -> Category:
    """Return the category whose products are VIP time; create it if it is missing or was removed."""
    category, _ = Category.objects.update_or_create(
        category_id=VIP_CATEGORY_ID,
        defaults={"removed_at": None},
        create_defaults={"name": name, "creator": actor, "created_at": now},
    )
    return category


def category_update(
    *, category_id: str, actor: str, scope: Scope = EVERYTHING, now: datetime, **changes: Any
) -> Category:
    """Change a category's ``name`` or ``image_url``: "" takes the picture away.

    :raises RowUnknown, NothingChanged, CategoryExists: as named.
    :raises NotPermitted: ``scope`` shows the category, but does not allow changes.
    """
    with _one_by_name(), transaction.atomic():
        category = _lock_to_change(Category, scope, RowUnknown, category_id=category_id)
        _change(category, changes, actor, now)
    return category


@transaction.atomic
def category_remove(
    *, category_id: str, even_with_products: bool = False, scope: Scope = EVERYTHING, now: datetime
) -> None:
    """Remove a category; its products stay on sale and keep its id.

    :raises RecordUnknown: there is no such category.
    :raises NotPermitted: ``scope`` shows the category, but does not allow changes.
    :raises CategoryInUse: it has products on sale, and ``even_with_products`` is not set.
    """
    # product_create locks the category too, so that no product is added between the check and the removal.
    category = _lock_to_change(Category, scope, RecordUnknown, category_id=category_id)
    if not even_with_products and category.products.filter(removed_at=None).exists():
        raise CategoryInUse
    category.removed_at = now
    category.save(update_fields=["removed_at"])
    image_release(owner=category.picture_owner)


# --- Products ---
@transaction.atomic
def product_create(*, category_id: str, actor: str, scope: Scope = EVERYTHING, now: datetime, **fields: Any) -> Product:
    """Create a product and put it on sale. ``fields`` are the model's; ``stock`` is in pieces.

    :raises ProductCategoryUnknown: there is no such category, or ``scope`` does not show it.
    :raises NotPermitted: ``scope`` shows the category, but it takes no products of this caller.
    :raises CeilingReached: on a practice server, there are as many as an account may have.
    """
    product = Product(category=_lock_to_fill(category_id, scope), **fields)
    _enter(product, "件商品", actor, scope, now)
    return product


@transaction.atomic
def product_update(
    *,
    product_id: str,
    pieces: int = 0,
    reason: str = "",
    actor: str,
    scope: Scope = EVERYTHING,
    now: datetime,
    **changes: Any,
) -> Product:
    """Change some fields of a product; ``category_id`` moves it to another category.

    ``stock`` sets what can be ordered from now on. Pieces that unpaid orders hold are added when those orders close.

    :param pieces: are added to the stock of this moment, or taken from it.
    :param reason: goes into the product's history.
    :raises RowUnknown, NothingChanged, ProductCategoryUnknown: as named.
    :raises ProductInvalid: its stock would leave its bounds.
    :raises NotPermitted: ``scope`` shows the product, but does not allow changes, or not this category.
    """
    # Orders take pieces by a statement that waits for this lock.
    product = _lock_to_change(Product, scope, RowUnknown, product_id=product_id)
    _require_not_vip(product, scope)
    category_id = changes.pop("category_id", None)
    # A client may post a product back with its old category, which may have been removed since.
    if category_id and category_id != product.category.category_id:
        changes["category"] = _lock_to_fill(category_id, scope)
    if pieces:
        changes["stock"] = stock_adjusted(product, pieces)
    if changes.get("stock") not in (None, product.stock):
        log.info("stock set", product_id=product_id, old=product.stock, new=changes["stock"], actor=actor)
    _change(product, changes, actor, now)
    if reason:
        change_note(product, REASON, "", reason)
    return product


def products_lock(*, pks: Iterable[int], scope: Scope) -> dict[int, Product]:
    """Lock those of the products that are on sale and in sight, to change them; return them by key.

    Call it in a transaction. Orders take pieces by statements that wait for these locks.

    :raises NotPermitted: as in :func:`product_update`.
    """
    rows = Product.objects.filter(scope.visible(), removed_at=None, pk__in=pks)
    # In the order in which orders lock them. The category is read afterwards, not joined: a product that is moved to
    # another one while this waits would not be found.
    rows = rows.order_by("pk").select_for_update(no_key=True).prefetch_related("category")
    products = {product.pk: product for product in rows}
    for product in products.values():
        scope.require_change(product)
        _require_not_vip(product, scope)
    return products


def stock_adjusted(product: Product, pieces: int) -> int:
    """Return the stock of a locked product with more or fewer pieces.

    :raises ProductInvalid: it would leave its bounds.
    """
    if not 0 <= product.stock + pieces <= MAX_STOCK:
        raise ProductInvalid(f"{product}：库存现有{product.stock}件，不能调整{pieces:+d}件")
    return product.stock + pieces


def _require_not_vip(product: Product, scope: Scope) -> None:
    if not scope.is_all and product.is_vip:  # its price, level and days
        raise NotPermitted


@transaction.atomic
def product_remove(*, product_id: str, scope: Scope = EVERYTHING, now: datetime) -> None:
    """Take a product off sale for good. Orders keep their copies and the stock still comes back to it.

    :raises RecordUnknown: no product with this id is on sale.
    :raises NotPermitted: as in :func:`product_update`.
    """
    product = _lock_to_change(Product, scope, RecordUnknown, product_id=product_id)
    product.removed_at = now
    product.save(update_fields=["removed_at"])


@transaction.atomic
def catalogue_clear(*, user_pks: Sequence[int], now: datetime) -> int:
    """Take all products and categories that the users have entered off sale; return how many.

    Their pictures are released, but for those of products that somebody has ordered: orders show them.
    """
    goods = goods_entered(user_pks)
    # Whoever changes a product or a category locks its row, so nobody gives them another picture meanwhile.
    products = list(goods[0].select_for_update(no_key=True).order_by("pk"))
    categories = list(goods[1].select_for_update(no_key=True).order_by("pk"))
    ordered: set[Any] = set(OrderLine.objects.filter(product__in=products).values_list("product", flat=True))
    owners = [product.picture_owner for product in products if product.pk not in ordered]
    images_release(owners=[*owners, *(category.picture_owner for category in categories)])
    return sum(rows.update(removed_at=now) for rows in goods)


# --- What both have in common ---
def _lock_to_change(model: type[Row], scope: Scope, missing: type[DomainError], **number: str) -> Row:
    return scope.lock(model._default_manager.filter(removed_at=None, **number), missing)


def _lock_to_fill(category_id: str, scope: Scope) -> Category:
    rows = Category.objects.filter(scope.visible(), removed_at=None, category_id=category_id)
    category = rows.select_for_update(no_key=True).first()
    if category is None:
        raise ProductCategoryUnknown
    if not category.takes_products_of(scope):
        raise NotPermitted
    return category


def _enter(row: Category | Product, what: str, actor: str, scope: Scope, now: datetime) -> None:
    """Save a new row with a free id from ``now`` on, which is its time of creation to the millisecond.

    :param what: what a ceiling counts.
    :raises IntegrityError: a constraint refuses the row.
    """
    entries = type(row)._default_manager.filter(created_by=scope.user_pk, removed_at=None)
    ceiling_keep(user_pk=scope.user_pk, limit=settings.PRACTICE_PRODUCTS, what=what, count=entries.count)
    row.creator, row.created_by_id = actor, scope.user_pk
    for attempt in range(MAX_ID_ATTEMPTS):
        # In ever larger steps: the goods of a sheet take the ids of the next seconds.
        row.created_at = now + timedelta(milliseconds=attempt**2)
        setattr(row, row.number_field, time17(row.created_at))
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if row.number_field in _violated_constraint(error):
                continue
            raise
        image_adopt(url=row.image_url, owner=row.picture_owner)
        return
    raise RuntimeError(f"no free {row.number_field} in {MAX_ID_ATTEMPTS} attempts")


def _change(row: Category | Product, changes: dict[str, Any], actor: str, now: datetime) -> None:
    """Change fields of a locked row. None leaves a field as it is.

    :raises NothingChanged: they have these values already.
    """
    changes = {name: value for name, value in changes.items() if value not in (None, getattr(row, name))}
    if not changes:
        raise NothingChanged
    for name, value in (changes | {"updator": actor, "updated_at": now}).items():
        setattr(row, name, value)
    row.save(update_fields=[*changes, "updator", "updated_at"])
    if "image_url" in changes:
        image_adopt(url=row.image_url, owner=row.picture_owner)


@contextmanager
def _one_by_name() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if _violated_constraint(error).startswith("category_name_once"):
            raise CategoryExists from None
        raise


def _violated_constraint(error: IntegrityError) -> str:
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
