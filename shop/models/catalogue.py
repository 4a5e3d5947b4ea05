"""Categories and products, which are taken off sale, never deleted, because orders refer to them; and carts."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from permissions.models import EnteredRow
from permissions.scope import Scope
from runs.models import Run

# The category whose products are VIP time, not goods. Clients have this number in their source.
VIP_CATEGORY_ID = "20210827165510715"
ID_LENGTH = 17  # the creation time as YYYYMMDDHHmmssSSS
MAX_STOCK = 2_000_000_000
NAME_LENGTH = 100
URL_LENGTH = 500


class Category(EnteredRow):
    number_field = "category_id"

    category_id = models.CharField("类目编号", max_length=ID_LENGTH, unique=True, editable=False)
    name = models.CharField("类目名称", max_length=NAME_LENGTH)
    image_url = models.CharField("类目图片", max_length=URL_LENGTH, blank=True)
    creator = models.CharField("创建人", max_length=64, blank=True, editable=False)
    # Made by a user who sees only own rows and cannot know of others' names, so a name is unique among those rows.
    is_private = models.BooleanField("仅录入人可见", default=False, db_default=False, editable=False)
    updator = models.CharField("修改人", max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField("创建时间", editable=False)
    updated_at = models.DateTimeField("修改时间", null=True, blank=True, editable=False)
    removed_at = models.DateTimeField("删除时间", null=True, blank=True, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "类目"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(removed_at=None, is_private=False),
                name="category_name_once",
                violation_error_message="已经存在该类目,请不要重复添加",
            ),
            models.UniqueConstraint(
                fields=["created_by", "name"],
                condition=Q(removed_at=None, is_private=True),
                name="category_name_once_of_person",
                violation_error_message="已经存在该类目,请不要重复添加",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="category_has_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def picture_owner(self) -> str:
        """What ``uploads`` calls the record that shows its picture."""
        return f"shop.Category:{self.pk}"

    def takes_products_of(self, scope: Scope) -> bool:
        """Tell whether a caller may put products into this category, which he sees.

        A private one is for whoever made it. VIP time, whose price the shop sets, needs the scope of all rows.
        """
        if scope.is_all:
            return True
        return self.category_id != VIP_CATEGORY_ID and (not self.is_private or scope.may_change(self))


class Product(EnteredRow):
    """A product. ``stock`` is what can still be ordered: an unpaid order has already taken its pieces."""

    number_field = "product_id"

    product_id = models.CharField("商品编号", max_length=ID_LENGTH, unique=True, editable=False)
    category = models.ForeignKey(Category, models.PROTECT, verbose_name="类目", related_name="products", db_index=False)
    name = models.CharField("商品名称", max_length=NAME_LENGTH)
    price = models.DecimalField("价格（元）", max_digits=10, decimal_places=2)
    description = models.TextField("商品描述", blank=True)
    stock = models.PositiveBigIntegerField("库存", default=0)
    image_url = models.CharField("商品图片", max_length=URL_LENGTH, blank=True)
    # These two count only for products of the VIP category.
    vip_level = models.PositiveSmallIntegerField(
        "VIP 等级", default=1, db_default=1, help_text="只对 VIP 类目的商品有效"
    )
    vip_days = models.PositiveSmallIntegerField("VIP 天数", default=30, db_default=30, help_text="每件延长的天数")
    creator = models.CharField("创建人", max_length=64, blank=True, editable=False)
    updator = models.CharField("修改人", max_length=64, blank=True, editable=False)
    created_at = models.DateTimeField("创建时间", editable=False)
    updated_at = models.DateTimeField("修改时间", null=True, blank=True, editable=False)
    removed_at = models.DateTimeField("下架时间", null=True, blank=True, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "商品"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(stock__gte=0), name="product_stock_not_negative"),
            models.CheckConstraint(condition=Q(vip_level__gt=0, vip_days__gt=0), name="product_vip_above_zero"),
            models.CheckConstraint(
                condition=Q(price__gt=0), name="product_price_above_zero", violation_error_message="价格必须大于0"
            ),
        ]
        indexes = [
            # For a page of a category and the count of its products.
            models.Index(fields=["category", "id"], condition=Q(removed_at=None), name="product_on_sale"),
            models.Index(fields=["id"], condition=Q(removed_at=None), name="product_listed"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_on_sale(self) -> bool:
        return self.removed_at is None

    @property
    def is_vip(self) -> bool:
        """Whether it is VIP time and no goods; asks for the category."""
        return self.category.category_id == VIP_CATEGORY_ID

    @property
    def picture_owner(self) -> str:
        """Each picture has an owner of its own and is not released by the next one: orders show that of their day."""
        return f"shop.Product:{self.pk}:{self.image_url.rpartition('/')[2][:60]}"


class CartItem(models.Model):
    """One product in one user's cart. A product that is taken off sale stays in it, marked as not on sale."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="用户", related_name="+", db_index=False
    )
    product = models.ForeignKey(Product, models.PROTECT, verbose_name="商品", related_name="+")
    quantity = models.PositiveIntegerField("数量")
    is_checked = models.BooleanField("选中", default=False)
    created_at = models.DateTimeField("加入时间")

    class Meta:
        verbose_name = verbose_name_plural = "购物车"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "product"], name="cart_one_row_per_product"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="cart_quantity_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} x {self.quantity}"


class GoodsRun(Run):
    """A sheet or a percentage for prices: prepared, looked at, carried out, perhaps undone. Its rows stay as the log.

    ``rows`` are :class:`shop.services.goods.GoodsRow` as JSON. The web process does the work, which is short.
    """

    class State(models.TextChoices):
        READY = "ready", "待确认"
        DONE = "done", "已完成"
        UNDONE = "undone", "已撤销"

    working = waiting = ()

    state = models.CharField("状态", max_length=12, choices=State, default=State.READY)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name="操作人", related_name="+"
    )
    reason = models.CharField("原因", max_length=200, blank=True)
    rows = models.JSONField("商品", default=list)

    class Meta(Run.Meta):  # who may change products may do this
        verbose_name = verbose_name_plural = "改价与盘点"
