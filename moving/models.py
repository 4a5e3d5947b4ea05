"""What the import of an old server's data remembers between two runs."""

from django.db import models


class Arrival(models.Model):
    """An old document that was imported. The row is written in the transaction that writes the record.

    A later run skips it, also when the record was changed or deleted here meanwhile.
    """

    collection = models.CharField(max_length=32)
    old_id = models.CharField(max_length=64)  # MongoDB's `_id`

    class Meta:
        verbose_name = verbose_name_plural = "已迁入的旧文档"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["collection", "old_id"], name="arrival_once")]

    def __str__(self) -> str:
        return f"{self.collection} {self.old_id}"


class OldPicture(models.Model):
    """A picture of the old server, as 1.1.0 notes it. The table goes with the next release (ADR 9)."""

    path = models.CharField(max_length=500)  # such as `/avatar/1557367452000.jpg`
    url_path = models.CharField(max_length=100, blank=True)  # of ours; empty where it was refused
    refusal = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "旧图片"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["path"], name="old_picture_once")]

    def __str__(self) -> str:
        return self.path
