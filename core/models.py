from django.db import models


class Lease(models.Model):
    """Who alone may do a piece of work, and until when; see ``core.db.leases``."""

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=16)  # a random text, new each time the lease is taken
    until = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Restoration(models.Model):
    """A backup was restored: what happened between ``written_at`` and ``restored_at`` is missing from the rows."""

    written_at = models.DateTimeField("备份时间")
    restored_at = models.DateTimeField("恢复时间")

    class Meta:
        verbose_name = verbose_name_plural = "恢复记录"
        ordering = ["-restored_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.restored_at} ({self.written_at})"
