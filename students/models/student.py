"""Students, those in the archive, and what happened in their lives.

``students.counts`` counts students, and ``students.selectors`` searches them.
"""

import re
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone
from django.utils.crypto import get_random_string

from permissions.models import EnteredRow

MIN_AGE, MAX_AGE = 1, 150
_LETTERS, _DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"


def student_number_new() -> str:
    """Make a student's number (学号) such as ``WWLN97178546``.

    The database keeps it unique: at 100,000 students, one new number in 460 million is refused.
    """
    return get_random_string(4, _LETTERS) + get_random_string(8, _DIGITS)


# A browser runs an address that begins like this when the user clicks on it. It skips control characters and spaces.
_SCRIPT = re.compile(r"(javascript|vbscript|data):", re.IGNORECASE)
_SKIPPED = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]")


def no_script(value: str) -> None:
    """Refuse an address that runs as a script. Any other text is allowed: the contract's own sample is ``地址``."""
    if _SCRIPT.match(_SKIPPED.sub("", value)):
        raise ValidationError("不是项目地址")


PHONE = RegexValidator(r"^\+?[0-9][0-9 ()-]{4,30}\Z", "不是电话号码")
ID_CARD = RegexValidator(r"^([0-9]{15}|[0-9]{17}[0-9Xx])\Z", "不是15位或18位身份证号")


class StudentState(models.TextChoices):
    STUDYING = "studying", "在读"
    SUSPENDED = "suspended", "休学"
    WITHDRAWN = "withdrawn", "退学"
    GRADUATED = "graduated", "结业"


LEFT_STATES = (StudentState.WITHDRAWN, StudentState.GRADUATED)
PRESENT_STATES = (StudentState.STUDYING, StudentState.SUSPENDED)  # of students who have a seat in the class


class Gender(models.TextChoices):
    MALE = "男", "男"
    FEMALE = "女", "女"


class StudentFields(EnteredRow):
    """What a student is, among the others or in the archive."""

    class_path = "class_name"

    sid = models.CharField("学号", max_length=12, default=student_number_new, editable=False)
    name = models.CharField("姓名", max_length=64)
    age = models.SmallIntegerField("年龄", validators=[MinValueValidator(MIN_AGE), MaxValueValidator(MAX_AGE)])
    class_name = models.CharField("班级", max_length=64)
    city = models.CharField("城市", max_length=64)
    degree = models.CharField("学历", max_length=32)
    product_url = models.CharField("项目地址", max_length=500, validators=[no_script])
    description = models.TextField("自我评价", max_length=2000)
    headimgurl = models.CharField("头像", max_length=500, blank=True)
    created_at = models.DateTimeField("创建时间", default=timezone.now, editable=False)
    # 1.1.0 writes rows without the fields below.
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
            # Those who entered in a month are counted in both tables; a class and an account look here too.
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
