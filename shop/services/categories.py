"""Adding, changing and removing categories."""

from datetime import datetime

from django.db import IntegrityError, transaction

from permissions.scope import EVERYTHING, Scope
from shop.errors import CategoryExists, CategoryInUse, NothingChanged, RecordMissing, RecordUnknown
from shop.models import Category
from shop.models.catalogue import VIP_CATEGORY_ID
from shop.services.time_ids import create_with_time_id, violated_constraint
from uploads.services import image_adopt, image_release

_ONE_NAME = {"category_name_once", "category_name_once_of_person"}


def category_create(
    *, name: str, image_url: str = "", actor: str, scope: Scope = EVERYTHING, now: datetime
) -> Category:
    """Create a category.

    :raises CategoryExists: there is one of this name among those that ``scope`` shows.
    """

    def make(category_id: str) -> Category:
        return Category(
            category_id=category_id,
            name=name,
            image_url=image_url,
            creator=actor,
            created_by_id=scope.user_pk,
            is_private=scope.is_own_only,
            created_at=now,
        )

    try:
        with transaction.atomic():
            category = create_with_time_id(make, "category_id", now)
            image_adopt(url=image_url, owner=_owner(category))
            return category
    except IntegrityError as error:
        raise _name_taken(error) from None


def vip_category_create(*, actor: str, now: datetime) -> Category:
    """Return the category whose products are VIP time; create it if it is missing or was removed."""
    category, _ = Category.objects.get_or_create(
        category_id=VIP_CATEGORY_ID, defaults={"name": "vip充值", "creator": actor, "created_at": now}
    )
    if category.removed_at is not None:
        category.removed_at = None
        category.save(update_fields=["removed_at"])
    return category


def category_update(
    *, category_id: str, name: str, image_url: str = "", actor: str, scope: Scope = EVERYTHING, now: datetime
) -> Category:
    """Rename a category; an empty ``image_url`` leaves the picture as it is.

    :raises RecordMissing, NothingChanged, CategoryExists: as named.
    :raises NotPermitted: ``scope`` shows the category, but does not allow changes.
    """
    try:
        with transaction.atomic():
            category = _lock(category_id, scope)
            if category is None:
                raise RecordMissing
            scope.require_change(category)
            image_url = image_url or category.image_url
            if (name, image_url) == (category.name, category.image_url):
                raise NothingChanged
            category.name, category.image_url = name, image_url
            category.updator, category.updated_at = actor, now
            category.save(update_fields=["name", "image_url", "updator", "updated_at"])
            image_adopt(url=image_url, owner=_owner(category))
            return category
    except IntegrityError as error:
        raise _name_taken(error) from None


@transaction.atomic
def category_remove(
    *, category_id: str, even_with_products: bool = False, scope: Scope = EVERYTHING, now: datetime
) -> None:
    """Remove a category; its products stay on sale and keep its id.

    :raises RecordUnknown: there is no such category.
    :raises NotPermitted: ``scope`` shows the category, but does not allow changes.
    :raises CategoryInUse: it has products on sale, and ``even_with_products`` is not set.
    """
    category = _lock(category_id, scope)
    if category is None:
        raise RecordUnknown
    scope.require_change(category)
    if not even_with_products and category.products.filter(removed_at=None).exists():
        raise CategoryInUse
    category.removed_at = now
    category.save(update_fields=["removed_at"])
    image_release(owner=_owner(category))


def _lock(category_id: str, scope: Scope) -> Category | None:
    # product_create locks the category too, so that no product is added between the check and the removal.
    categories = Category.objects.select_for_update().filter(scope.visible(), category_id=category_id)
    return categories.filter(removed_at=None).first()


def _name_taken(error: IntegrityError) -> Exception:
    return CategoryExists() if violated_constraint(error) in _ONE_NAME else error


def _owner(category: Category) -> str:
    return f"shop.Category:{category.pk}"
