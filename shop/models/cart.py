"""Carts: what a user wants to buy."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class CartItem(models.Model):
    """One product in one user's cart. A product that is taken off sale stays in it, marked as not on sale."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="用户", related_name="+", db_index=False
    )
    product = models.ForeignKey("shop.Product", models.PROTECT, verbose_name="商品", related_name="+")
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
