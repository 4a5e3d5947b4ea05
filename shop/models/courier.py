"""The couriers that staff choose from when they ship."""

from django.db import models

COURIER_LENGTH = 32


class Courier(models.Model):
    """A name in the list on the shipping form. Orders keep the name as text, so a courier may be renamed or deleted."""

    name = models.CharField("名称", max_length=COURIER_LENGTH, unique=True)
    position = models.PositiveSmallIntegerField("排序", default=100, help_text="小的在前")
    is_active = models.BooleanField("使用中", default=True, help_text="不再使用的不出现在发货页，已发的订单不变")

    class Meta:
        verbose_name = verbose_name_plural = "快递公司"
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name
