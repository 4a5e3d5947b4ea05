"""Stored pictures, and the records that refer to them."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Upload(models.Model):
    """A picture in the media store.

    The row is created before the file and deleted after it: a file without a row would never be cleaned up.
    """

    name = models.CharField("文件", max_length=64, unique=True, help_text="媒体目录下的路径")
    content_type = models.CharField("类型", max_length=16)
    size_bytes = models.PositiveIntegerField("字节数")
    width = models.PositiveIntegerField("宽")
    height = models.PositiveIntegerField("高")
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, verbose_name="上传者", related_name="+"
    )
    # Whose share of the budget the picture takes while it is unused (``uploads.budget``); empty: no sender's.
    sender = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField("上传时间")
    # Since when the picture has been unused; empty while a record refers to it.
    idle_since = models.DateTimeField("闲置起始", null=True, blank=True)
    # When the clean-up chose the picture. From then on no record can refer to it.
    removed_at = models.DateTimeField("清理时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "图片"
        ordering = ["-pk"]
        indexes = [
            # Holds unused pictures only, so the clean-up costs the same with a million pictures in use.
            models.Index(fields=["idle_since"], condition=Q(idle_since__isnull=False), name="upload_idle"),
            # Every upload sums it up; the budget limits how many rows it has.
            models.Index(
                fields=["sender"],
                include=["size_bytes"],
                condition=Q(idle_since__isnull=False) & ~Q(sender=""),
                name="upload_budget",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def url_path(self) -> str:
        return settings.MEDIA_URL + self.name


class ImageUse(models.Model):
    """A record (``owner``, such as ``students.Student:12``) refers to a picture. Many owners may share one picture."""

    owner = models.CharField("引用者", max_length=100, unique=True)
    upload = models.ForeignKey(Upload, models.CASCADE, verbose_name="图片", related_name="uses")

    class Meta:
        verbose_name = verbose_name_plural = "图片引用"

    def __str__(self) -> str:
        return self.owner
