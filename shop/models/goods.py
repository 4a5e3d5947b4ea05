"""Changes of many products at once: prices, counted stock, goods that came in."""

from django.conf import settings
from django.db import models

from runs.models import Run


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
