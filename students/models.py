"""Students, those in the archive, and the runs that change many of them: imports, pictures, changes, deletions.

``students.counts`` counts students, and ``students.selectors`` searches them.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone
from django.utils.crypto import get_random_string

from permissions.models import DataScope, EnteredRow
from permissions.scope import Scope, scope_of
from runs.models import Run

MIN_AGE, MAX_AGE = 1, 150
_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"


# A browser runs an address that begins like this when the user clicks on it. It skips control characters and spaces.
_SCRIPT = re.compile(r"(javascript|vbscript|data):", re.IGNORECASE)
_SKIPPED = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]")


def no_script(value: str) -> None:
    """Refuse an address that runs as a script. Any other text is allowed: the contract's own sample is ``地址``."""
    if _SCRIPT.match(_SKIPPED.sub("", value)):
        raise ValidationError("不是项目地址")


def new_sid() -> str:
    """Make a student's number such as ``WWLN97178546``.

    The database keeps it unique: at 100,000 students, one new number in 460 million is refused.
    """
    return get_random_string(4, _LETTERS) + get_random_string(8, _DIGITS)


PHONE = RegexValidator(r"^\+?[0-9][0-9 ()-]{4,30}\Z", "不是电话号码")
ID_CARD = RegexValidator(r"^([0-9]{15}|[0-9]{17}[0-9Xx])\Z", "不是15位或18位身份证号")


class ClassState(models.TextChoices):
    OPEN = "open", "开班"
    ENDED = "ended", "结业"


class SchoolClass(models.Model):
    """A class (班级). Students and accounts name it by its text, which clients send and read as ``class``.

    Who gives a student a class that is new writes no row here: of two such writers, one would wait until the other, for
    example a long import, is committed. ``students.classes`` adds the missing rows whenever classes are asked for.
    """

    name = models.CharField("班级", max_length=64, unique=True)
    # Without constraints in the database: the release before 1.2.0 could not delete a user who teaches a class.
    head_teacher = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        verbose_name="班主任",
        related_name="+",
        db_constraint=False,
    )
    teachers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, verbose_name="任课老师", blank=True, related_name="+", db_constraint=False
    )
    begins_on = models.DateField("开班日期", null=True, blank=True)
    ends_on = models.DateField("结业日期", null=True, blank=True)
    room = models.CharField("教室", max_length=32, blank=True, db_default="")
    capacity = models.PositiveSmallIntegerField("容量", null=True, blank=True)
    campus = models.CharField("校区", max_length=32, blank=True, db_default="")
    state = models.CharField(
        "状态", max_length=8, choices=ClassState, default=ClassState.OPEN, db_default=ClassState.OPEN
    )

    class Meta:
        verbose_name = verbose_name_plural = "班级"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class StudentState(models.TextChoices):
    STUDYING = "studying", "在读"
    SUSPENDED = "suspended", "休学"
    WITHDRAWN = "withdrawn", "退学"
    GRADUATED = "graduated", "结业"


LEFT_STATES = (StudentState.WITHDRAWN, StudentState.GRADUATED)


class Gender(models.TextChoices):
    MALE = "男", "男"
    FEMALE = "女", "女"


class StudentFields(EnteredRow):
    """What a student is, among the others or in the archive."""

    class_path = "class_name"

    sid = models.CharField("学号", max_length=12, default=new_sid, editable=False)
    name = models.CharField("姓名", max_length=64)
    age = models.SmallIntegerField("年龄", validators=[MinValueValidator(MIN_AGE), MaxValueValidator(MAX_AGE)])
    class_name = models.CharField("班级", max_length=64)
    city = models.CharField("城市", max_length=64)
    degree = models.CharField("学历", max_length=32)
    product_url = models.CharField("项目地址", max_length=500, validators=[no_script])
    description = models.TextField("自我评价", max_length=2000)
    headimgurl = models.CharField("头像", max_length=500, blank=True)
    created_at = models.DateTimeField("创建时间", default=timezone.now, editable=False)
    # The release before 1.2.0 writes rows without the fields below.
    gender = models.CharField("性别", max_length=1, choices=Gender, blank=True, default="", db_default="")
    phone = models.CharField("电话", max_length=32, blank=True, default="", db_default="", validators=[PHONE])
    parent_phone = models.CharField(
        "家长电话", max_length=32, blank=True, default="", db_default="", validators=[PHONE]
    )
    id_card = models.CharField("身份证", max_length=18, blank=True, default="", db_default="", validators=[ID_CARD])
    entered_on = models.DateField("入学日期", null=True, blank=True)
    left_on = models.DateField("结业日期", null=True, blank=True)
    remark = models.CharField("备注", max_length=500, blank=True, default="", db_default="")
    state = models.CharField(
        "状态",
        max_length=10,
        choices=StudentState,
        default=StudentState.STUDYING,
        db_default=StudentState.STUDYING,
        editable=False,
    )
    state_on = models.DateField("状态日期", null=True, editable=False)
    state_reason = models.CharField("状态原因", max_length=200, default="", db_default="", editable=False)
    # No constraint in the database, because adding it would lock the users too; an index of its own finds the student.
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        verbose_name="账号",
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name}（{self.class_name}）"

    @property
    def has_left(self) -> bool:
        return self.state in LEFT_STATES

    @property
    def owner_ref(self) -> str:
        """How ``uploads`` names this student as the owner of a picture, also while the student is archived."""
        return f"students.Student:{self.pk}"


class Student(StudentFields):
    """A student of a class. Newest first means: by ``pk``, descending."""

    class Meta:
        verbose_name = verbose_name_plural = "学员"
        ordering = ["-pk"]
        permissions = [
            ("export_student", "导出学员"),
            ("phone_student", "看完整电话"),
            ("idcard_student", "看身份证号"),
            ("account_student", "管理学员的账号"),
        ]
        indexes = [
            models.Index(fields=["class_name", "-id"], name="student_of_class"),
            # For the back office's filters and sorting: without them each page would read every student.
            models.Index(fields=["city", "-id"], name="student_of_city"),
            models.Index(fields=["degree", "-id"], name="student_of_degree"),
            models.Index(fields=["age", "-id"], name="student_of_age"),
            models.Index(fields=["created_at"], name="student_of_day"),
            # For users who see only what they entered.
            models.Index(fields=["created_by", "-id"], name="student_of_person", condition=Q(created_by__isnull=False)),
            models.Index(Func(F("name"), function="students_name_key"), F("id").desc(), name="student_of_name"),
            models.Index(fields=["phone"], name="student_of_phone", condition=~Q(phone="")),
            models.Index(fields=["parent_phone"], name="student_of_parent", condition=~Q(parent_phone="")),
            models.Index(fields=["state", "-id"], name="student_of_state", condition=~Q(state=StudentState.STUDYING)),
            # With fastupdate, entries would be written later, and each search would read through those that still wait.
            GinIndex(
                Func(F("id"), F("class_name"), F("name"), function="students_keys"),
                name="student_keys",
                fastupdate=False,
            ),
        ]
        constraints = [
            # Not `unique=True`, which adds a second index for LIKE that no query uses.
            models.UniqueConstraint(fields=["sid"], name="student_sid_is_unique"),
            models.UniqueConstraint(fields=["account"], name="student_of_account", condition=Q(account__isnull=False)),
            models.CheckConstraint(condition=Q(age__range=(MIN_AGE, MAX_AGE)), name="student_age_is_sensible"),
            # Ids are written as hexadecimal digits (`_id`).
            models.CheckConstraint(condition=Q(id__gte=1), name="student_id_is_positive"),
        ]


class ArchivedStudent(StudentFields):
    """A student put aside, in a table of its own: no call, list, count or search of students knows it (docs/adr/0014).

    ``id`` and all other fields are the student's, so that it comes back as it was.
    """

    id = models.BigIntegerField("编号", primary_key=True)
    archived_at = models.DateTimeField("归档时间")
    archived_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name="归档人", related_name="+"
    )

    class Meta:
        verbose_name = verbose_name_plural = "已归档学员"
        ordering = ["-archived_at", "-pk"]
        default_permissions = ()  # a user who may see students sees these, one who may delete students moves them
        indexes = [
            models.Index(fields=["-archived_at", "-id"], name="archived_student_newest"),
            # Who entered in a month is counted in both tables; a class and an account look here too.
            models.Index(fields=["created_at"], name="archived_student_of_day"),
            models.Index(fields=["class_name"], name="archived_student_of_class"),
            models.Index(fields=["account"], name="archived_of_account", condition=Q(account__isnull=False)),
        ]
        constraints = [models.UniqueConstraint(fields=["sid"], name="archived_sid_is_unique")]


class EventKind(models.TextChoices):
    MOVED = "moved", "换班"
    SUSPENDED = "suspended", "休学"
    WITHDRAWN = "withdrawn", "退学"
    GRADUATED = "graduated", "结业"
    RETURNED = "returned", "复学"
    ARCHIVED = "archived", "归档"
    RESTORED = "restored", "恢复归档"


class StudentEvent(EnteredRow):
    """What happened in a student's life after the entry, on a day of Asia/Shanghai.

    The entry is the student's ``created_at``, here or in the archive. ``created_by`` is who entered the student, for
    the data scope. ``class_name`` is the class at that time. Of an undone run the events are gone.
    """

    class_path = "class_name"

    student_pk = models.BigIntegerField("学员编号")
    sid = models.CharField("学号", max_length=12)
    class_name = models.CharField("班级", max_length=64)
    kind = models.CharField("事件", max_length=10, choices=EventKind)
    on = models.DateField("日期")
    # True for the event by which the student left: an archived student who was 退学 before has left only once.
    is_leaving = models.BooleanField("离开", default=False)
    is_return = models.BooleanField("回来", default=False)
    detail = models.CharField("说明", max_length=200, blank=True)
    run_pk = models.BigIntegerField("批量操作", null=True)

    class Meta:
        verbose_name = verbose_name_plural = "学员经历"
        ordering = ["pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["student_pk", "id"], name="event_of_student"),
            models.Index(fields=["on"], name="event_leaving", condition=Q(is_leaving=True), include=["created_by"]),
            models.Index(fields=["on"], name="event_return", condition=Q(is_return=True), include=["created_by"]),
            models.Index(fields=["run_pk"], name="event_of_run", condition=Q(run_pk__isnull=False)),
            models.Index(fields=["created_by", "on"], name="event_of_person", condition=Q(created_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.sid} {self.get_kind_display()} {self.on}"


class StudentRow(NamedTuple):
    """A student as lists read it, without the weight of a model."""

    id: int
    sid: str
    name: str
    age: int
    class_name: str
    city: str
    degree: str
    product_url: str
    description: str
    headimgurl: str
    created_at: datetime


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

    class Meta(Run.Meta):  # its rights are those on students: ``students.run_rights``
        verbose_name = verbose_name_plural = "批量操作记录"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.file_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        # What the run will show and change was chosen under this data scope. Under a narrower one it is closed.
        if self._state.adding and self.created_by:
            self.options = {"scope": scope_of(self.created_by).key} | self.options
        super().save(*args, **kwargs)

    def is_open_to(self, scope: Scope) -> bool:
        return scope.opens(self.options.get("scope", DataScope.ALL))

    @property
    def state_name(self) -> str:
        if self.kind == RunKind.DELETE and self.state == RunState.APPLYING:
            return "删除中"
        if self.state == RunState.FAILED and not self.counts and self.kind in {RunKind.IMPORT, RunKind.PHOTOS}:
            return "文件有误"  # the check did not get as far as the rows
        return super().state_name

    @property
    def failure(self) -> tuple[str, str]:
        if self.state != RunState.UNDOING and self.kind != RunKind.DELETE:
            return super().failure
        # The state stays as it is: what is done is noted, and ``runs_resume`` has the rest done.
        done = "" if self.kind == RunKind.CLASS else "已完成的部分有效，其余"
        return self.state, f"处理时出现意外错误，{done}会自动重试"


class FilePurpose(models.TextChoices):
    SOURCE = "source", "上传的文件"
    RESULT = "result", "结果文件"


class TransferFile(models.Model):
    """The file of a run that was uploaded (``source``); ``result`` was made by release 1.0.0."""

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
    # Of a sheet: the API's name of a column -> the text in the file. Of a ZIP: see students.transfer.photos.
    cells = models.JSONField("单元格", default=dict)
    diff = models.JSONField("变化", default=dict)  # students.bulk.FieldChange, as JSON
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
