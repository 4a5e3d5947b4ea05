"""How members of staff want the list of orders: filters kept under a name, and columns."""

from django.conf import settings
from django.db import models

VIEW_NAME_LENGTH = 30
VIEW_QUERY_LENGTH = 1000


class OrderView(models.Model):
    """A named query string of the list of orders. Nobody but its owner sees it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="用户", related_name="+")
    name = models.CharField("名称", max_length=VIEW_NAME_LENGTH)
    query = models.CharField("筛选", max_length=VIEW_QUERY_LENGTH)

    class Meta:
        verbose_name = verbose_name_plural = "我的订单视图"
        ordering = ["pk"]
        default_permissions = ()  # everybody has their own
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="order_view_once_by_name")]

    def __str__(self) -> str:
        return self.name


class OrderColumns(models.Model):
    """The columns that a member of staff has chosen for the list and its exports."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="用户", related_name="+")
    names = models.JSONField("列", default=list)

    class Meta:
        verbose_name = verbose_name_plural = "我的订单列"
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return ", ".join(self.names)
