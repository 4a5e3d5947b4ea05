"""`product_categorys` and `products`, which keep their ids, and `carts`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from accounts.models import User
from moving.document import Document, DocumentRefused, id_moment
from moving.dump import Dump
from moving.table import Table
from shop.models import CartItem, Category, Product
from shop.models.catalogue import ID_LENGTH, MAX_STOCK, NAME_LENGTH, VIP_CATEGORY_ID

GONE_CATEGORY = "0" * ID_LENGTH  # of products whose own category is unknown
GONE_NAME = "已删除的类目"
HALF_DAY = timedelta(hours=12)


class Categories(Table):
    collection, model, key = "product_categorys", Category, ("category_id",)

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.names = set(Category.objects.filter(removed_at=None).values_list("name", flat=True))

    def record(self, old: Document) -> Category:
        category_id = old.id("category_id", ID_LENGTH)
        created_at = old.created("createTime", "category_id")
        name = old.free_name(old.text("categoryName", NAME_LENGTH, "未命名类目"), self.names, NAME_LENGTH)
        self.names.add(name)
        return Category(
            category_id=category_id,
            name=name,
            image_url=old.address("categoryImgurl"),
            creator=old.text("creator", 64),
            created_at=created_at,
            updator=old.text("updator", 64),
            updated_at=_updated(old, created_at),
        )


class Products(Table):
    collection, model, key = "products", Product, ("product_id",)

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.categories = set(Category.objects.values_list("category_id", flat=True))
        self.category_ids: dict[str, str] = {}  # by product_id

    def record(self, old: Document) -> Product:
        product_id, price = old.id("product_id", ID_LENGTH), old.price()
        self.category_ids.setdefault(product_id, self._category_id(old))
        created_at = old.created("createTime", "product_id")
        return Product(
            product_id=product_id,
            name=old.text("productName", NAME_LENGTH, "未命名商品"),
            price=price,
            description=old.text("description", 10_000),
            stock=old.whole("inventory", 0, MAX_STOCK, 0),
            image_url=old.address("imageUrl"),
            created_at=created_at,
            updator=old.text("updator", 64),
            updated_at=_updated(old, created_at),
        )

    def write(self, records: Sequence[Product]) -> None:
        ids = [self.category_ids[product.product_id] for product in records]
        pks = category_pks(set(ids), self.dump.now)
        for product, category_id in zip(records, ids, strict=True):
            product.category_id = pks[category_id]
        super().write(records)

    def _category_id(self, old: Document) -> str:
        category_id = old.text("category_id", ID_LENGTH + 1)
        if category_id not in self.categories:
            old.fix("类目已不存在，归入一个不再使用的类目", category_id)
        elif category_id == VIP_CATEGORY_ID:
            old.fix("VIP 商品记为等级 1、30 天，请在后台核对")
        return category_id if 0 < len(category_id) <= ID_LENGTH else GONE_CATEGORY


def category_pks(ids: set[str], now: datetime) -> dict[str, int]:
    """Return the keys of these categories. Those that no longer exist are made first, not on sale."""
    Category.objects.bulk_create(
        (
            Category(category_id=one, name=GONE_NAME, created_at=id_moment(one, latest=now) or now, removed_at=now)
            for one in sorted(ids)
        ),
        ignore_conflicts=True,
    )
    return dict(Category.objects.filter(category_id__in=ids).values_list("category_id", "pk"))


def _updated(old: Document, created_at: datetime) -> datetime | None:
    """Add twelve hours to a time before the creation: the old server wrote times without am and pm."""
    moment = old.moment("updateTime")
    if moment and moment < created_at:
        moment += HALF_DAY
    return moment if moment and moment >= created_at else None


class Carts(Table):
    """The carts, a row for each product in a user's cart."""

    collection, model, key = "carts", CartItem, ("user_id", "product_id")

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.users = dict(User.objects.values_list("unid", "pk"))
        # Not those that were made for old orders: a second run must not find more than the first.
        self.products = dict(Product.objects.filter(removed_at=None).values_list("product_id", "pk"))

    def record(self, old: Document) -> CartItem:
        user_pk = self.users.get(old.id("unid", 64))
        product_pk = self.products.get(old.id("product_id", 32))
        if user_pk is None or product_pk is None:
            raise DocumentRefused("用户不存在" if user_pk is None else "商品不存在，或已下架")
        return CartItem(
            user_id=user_pk,
            product_id=product_pk,
            quantity=old.whole("quantity", 1, MAX_STOCK, 1),
            is_checked=old.raw("isChecked") in (True, "true", "1"),
            created_at=old.created("create_time", "cart_id"),
        )
