"""The runs that change many students: imports, pictures, changes, deletions."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from runs.models import Run


class RunKind(models.TextChoices):
    IMPORT = "import", "导入学员"
    PHOTOS = "photos", "批量上传头像"
    DELETE = "delete", "删除学员"
    EDIT = "edit", "批量修改学员"
    CLASS = "class", "班级与学籍"


class RunState(models.TextChoices):
    CHECKING = "checking", "检查中"
    READY = "ready", "待确认"
    REFUSED = "refused", "有错误"
    APPLYING = "applying", "写入中"
    DONE = "done", "已完成"
    FAILED = "failed", "已中断"
    CANCELLED = "cancelled", "已放弃"
    UNDOING = "undoing", "撤销中"
    UNDONE = "undone", "已撤销"


class TransferRun(Run):
    """One import, batch of pictures, deletion or change of students."""

    task = "students.transfer_work"
    working = (RunState.CHECKING, RunState.APPLYING, RunState.UNDOING)
    waiting = (RunState.READY, RunState.REFUSED, RunState.FAILED)
    unexpected = "处理时出现意外错误，没有写入任何数据。可以重新开始；仍然失败请联系管理员"

    kind = models.CharField("类型", max_length=8, choices=RunKind)
    state = models.CharField("状态", max_length=12, choices=RunState, default=RunState.CHECKING)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name="操作人", related_name="+"
    )
    # The audit names these two, because the task that does the work has no user.
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name="确认人", related_name="+", db_index=False
    )
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name="撤销人", related_name="+", db_index=False
    )
    options = models.JSONField("选项", default=dict)
    counts = models.JSONField("行数", default=dict)
    scope = None  # type: ignore[assignment]  # in ``options``

    class Meta(Run.Meta):  # its rights are those on students: ``students.runs.rights_needed``
        verbose_name = verbose_name_plural = "批量操作记录"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.file_name}"

    @property
    def waits_for_pictures(self) -> bool:
        """Tell whether its students are written, so that their pictures are what is left to do."""
        is_written = self.kind == RunKind.PHOTOS or "is_written" in self.options
        return self.state == RunState.APPLYING and is_written

    @property
    def state_name(self) -> str:
        if self.kind == RunKind.DELETE and self.state == RunState.APPLYING:
            return "删除中"
        if self.state == RunState.FAILED and not self.counts and self.kind in {RunKind.IMPORT, RunKind.PHOTOS}:
            return "文件有误"  # the check did not get as far as the rows
        return super().state_name

    @property
    def is_done_in_portions(self) -> bool:
        """Tell whether the work goes on where it stopped: what is done is noted."""
        return self.state == RunState.UNDOING or self.kind == RunKind.DELETE

    @property
    def failure(self) -> tuple[str, str]:
        if not self.is_done_in_portions:
            return super().failure
        # The state stays as it is: ``runs_resume`` has the rest done.
        done = "" if self.kind == RunKind.CLASS else "已完成的部分有效，其余"
        return self.state, f"处理时出现意外错误，{done}会自动重试"


class FilePurpose(models.TextChoices):
    SOURCE = "source", "上传的文件"
    WITHHELD = "withheld", "上传的文件，1.1.0 找不到"


class TransferFile(models.Model):
    """The file of a run that was uploaded."""

    run = models.ForeignKey(TransferRun, models.CASCADE, verbose_name="记录", related_name="files")
    role = models.CharField("用途", max_length=8, choices=FilePurpose)
    name = models.CharField("文件名", max_length=120)
    content = models.BinaryField("内容")

    class Meta:
        verbose_name = verbose_name_plural = "导入导出文件"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "role"], name="transfer_file_of_run")]

    def __str__(self) -> str:
        return self.name


class RowKind(models.TextChoices):
    """The kinds of rows, in the order of the tabs: what the clerk has to look at stands first."""

    ERROR = "error", "有错误"
    KEPT = "kept", "无法撤销"
    CHOICE = "choice", "需要选择"
    CHANGED = "changed", "修改"
    NEW = "new", "新增"
    UNCHANGED = "unchanged", "没有变化"
    LEFT = "left", "不在名单里"
    DONE = "done", "已更换"
    DELETED = "deleted", "已删除"
    UNDONE = "undone", "已撤销"
    WAITING = "waiting", "待删除"
    GONE = "gone", "已不存在"
    SKIPPED = "skipped", "跳过"


class TransferRow(models.Model):
    """A row of the file that was sent in (of a ZIP: a picture), and what it would do; or a student to delete."""

    run = models.ForeignKey(TransferRun, models.CASCADE, verbose_name="记录", related_name="rows")
    number = models.PositiveIntegerField("行号")
    kind = models.CharField("结果", max_length=10, choices=RowKind)
    # Of a sheet: the API's name of a column -> the text in the file; ``by``: by what its student was recognised;
    # ``students``: key and words of those whom it may mean; ``nearest``: the key of the one of them who stands out;
    # ``double_of``: that of the student whom a line above means as well; ``bad``: the columns of ``errors``.
    # Of a ZIP: ``shown`` (the name) and ``students``. Of both: ``file``, which part of the file is the picture.
    cells = models.JSONField("单元格", default=dict)
    diff = models.JSONField("变化", default=dict)  # students.bulk.Diff, as JSON
    errors = models.JSONField("错误", default=list)  # [cell, reason]
    student_pk = models.BigIntegerField("学员", null=True)

    owner_label = "已删除、还能恢复的学员"  # how the list of pictures names the owner

    class Meta:
        verbose_name = verbose_name_plural = "批量操作的行"
        ordering = ["number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="transfer_row_of_run")]
        indexes = [
            # A page of a run asks first for the few rows that are wrong.
            models.Index(fields=["run", "kind", "number"], name="transfer_row_kind", condition=~Q(kind="unchanged")),
        ]

    def __str__(self) -> str:
        return f"第 {self.number} 行"

    @property
    def owner_ref(self) -> str:
        """How ``uploads`` names this row as the owner of a deleted student's picture, as long as it can come back."""
        return f"students.TransferRow:{self.pk}"
