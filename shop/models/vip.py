"""VIP time that orders have bought."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class VipGrant(models.Model):
    """The VIP time that a paid line gave its buyer. A line has at most one, so its time cannot be added twice.

    ``begins_at`` and ``ends_at`` are as things stood when it was given: what is bought or refunded later may move them.
    """

    line = models.OneToOneField("shop.OrderLine", models.PROTECT, verbose_name="订单商品", related_name="vip_grant")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="用户", related_name="+")
    level = models.PositiveSmallIntegerField("等级")
    level_before = models.PositiveSmallIntegerField("之前的等级")
    begins_at = models.DateTimeField("开始")
    ends_at = models.DateTimeField("结束")
    revoked_at = models.DateTimeField("撤销时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "VIP 时长"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gte=models.F("begins_at")), name="vip_grant_ends_after_begin")
        ]

    def __str__(self) -> str:
        return f"VIP{self.level} {self.begins_at:%Y-%m-%d} – {self.ends_at:%Y-%m-%d}"
