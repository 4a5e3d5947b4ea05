"""What all long pieces of work have in common, and the exports of lists. ``students.models`` has those of students."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

FAILED = "failed"  # the state of every kind of run that a worker has given up


class Run(models.Model):
    """A long piece of work that a worker does. The database holds all it needs, so any worker may take it."""

    task: ClassVar[str]  # Celery's name of the task that works on it
    working: ClassVar[Sequence[str]]  # states in which a worker is at it, or will be
    waiting: ClassVar[Sequence[str]]  # states from which a person may start it again, as ``working[0]``
    work_prefix: ClassVar[str] = ""  # of the key of its progress
    unexpected: ClassVar[str]  # what its page says after an error of the program

    state = models.CharField("状态", max_length=12)
    created_at = models.DateTimeField("开始时间")
    phase_at = models.DateTimeField("本阶段开始时间")
    file_name = models.CharField("文件", max_length=120)
    message = models.CharField("说明", max_length=500, blank=True)
    # The data scope (``permissions.scope``) by which its rows were chosen: under a narrower one it is closed.
    scope = models.CharField(max_length=16, editable=False, default="all", db_default="all")

    class Meta:
        abstract = True
        ordering = ["-pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.file_name

    @property
    def state_name(self) -> str:
        state: Any = self._meta.get_field("state")
        return str(dict(state.flatchoices)[self.state])

    @property
    def progress_key(self) -> str:
        return f"spms:transfer:{self.work_prefix}{self.pk}"

    @property
    def is_working(self) -> bool:
        return self.state in self.working

    @property
    def failure(self) -> tuple[str, str]:
        """The state and the message that the run gets after an error of the program."""
        return FAILED, self.unexpected


class Export(Run):
    """A list of the back office that a worker writes to a file; see ``runs.exports``."""

    class State(models.TextChoices):
        WORKING = "working", "导出中"
        DONE = "done", "已完成"
        FAILED = "failed", "已中断"

    task = "core.export_make"
    working = (State.WORKING,)
    waiting = (State.FAILED,)
    work_prefix = "export-"
    unexpected = "导出时出现意外错误。可以重新开始；仍然失败请联系管理员"

    model = models.CharField("列表", max_length=100)  # "shop.order"
    query = models.TextField("筛选", blank=True)  # the list's query string
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name="操作人", related_name="+")
    created_at = models.DateTimeField("开始时间", db_index=True)
    phase_at = models.DateTimeField("本次开始时间", db_column="begun_at")
    state = models.CharField("状态", max_length=8, choices=State, default=State.WORKING)
    rows = models.PositiveIntegerField("行数", default=0)
    message = models.CharField("说明", max_length=200, blank=True)
    content = models.BinaryField("内容", null=True)

    class Meta(Run.Meta):
        # A user who may export a list sees their own exports of it. The table was made by core, whose address staff and
        # 1.1.0 know.
        app_label = "core"
        verbose_name = verbose_name_plural = "导出记录"
