"""Sessions of attendance (场次), what became of each student on their lists, and leave entered ahead."""

from datetime import datetime, time

from django.db import models
from django.db.models import F, Q

from core import times
from permissions.models import EnteredRow


class Period(models.IntegerChoices):
    MORNING = 1, "上午"
    AFTERNOON = 2, "下午"
    EVENING = 3, "晚上"

    @classmethod
    def at(cls, moment: datetime) -> "Period":
        """Return the period of a moment, by the clock of Asia/Shanghai."""
        clock = times.local(moment).time()
        return cls.MORNING if clock < time(12) else cls.AFTERNOON if clock < time(18) else cls.EVENING


class Status(models.IntegerChoices):
    UNSIGNED = 0, "未签到"
    PRESENT = 1, "出勤"
    LATE = 2, "迟到"
    LEFT_EARLY = 3, "早退"
    ON_LEAVE = 4, "请假"
    ABSENT = 5, "旷课"


class Way(models.IntegerChoices):
    NONE = 0, ""
    SCAN = 1, "扫码"
    HAND = 2, "手工"


ATTENDED = (Status.PRESENT, Status.LATE, Status.LEFT_EARLY)


class Session(EnteredRow):
    """A class, a day of Asia/Shanghai and a period; ``created_by`` has opened it.

    It is over when it was closed, or else from ``closes_at`` on, also before the sweep has closed it.
    """

    class_path = "class_name"

    class_name = models.CharField("班级", max_length=64)
    date = models.DateField("日期")
    period = models.PositiveSmallIntegerField("时段", choices=Period)
    opened_at = models.DateTimeField("开始时间")
    late_at = models.DateTimeField("迟到从")  # whoever signs later is late
    closes_at = models.DateTimeField("自动结束")
    closed_at = models.DateTimeField("结束时间", null=True)
    # Opened by a user who sees only own rows and cannot know of others' sessions: unique among those rows.
    is_private = models.BooleanField("仅录入人可见", default=False)

    class Meta:
        verbose_name = verbose_name_plural = "考勤"
        ordering = ["-date", "-period", "-pk"]
        default_permissions = ("view", "change", "delete")
        permissions = [("export_session", "导出考勤")]
        indexes = [
            models.Index(fields=["-date", "-period", "-id"], name="attendance_newest"),
            models.Index(fields=["closes_at"], name="attendance_open", condition=Q(closed_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["class_name", "date", "period"], condition=Q(is_private=False), name="attendance_once"
            ),
            models.UniqueConstraint(
                fields=["created_by", "class_name", "date", "period"],
                condition=Q(is_private=True),
                name="attendance_once_of_person",
            ),
            models.CheckConstraint(condition=Q(closes_at__gt=F("opened_at")), name="attendance_closes_after_opening"),
        ]

    def __str__(self) -> str:
        return f"{self.class_name} {self.date} {self.get_period_display()}"

    @property
    def ends_at(self) -> datetime:
        """When it was closed, or closes by itself."""
        return self.closed_at or self.closes_at

    def is_open(self, now: datetime) -> bool:
        # Whoever waited for a lock may have read the clock before the other one closed the session.
        return self.closed_at is None and now < self.closes_at

    def status_at(self, now: datetime, status: int) -> Status:
        """Return a record's status: unsigned is absent once the session is over, also before the sweep says so."""
        return Status.ABSENT if status == Status.UNSIGNED and not self.is_open(now) else Status(status)


class StudentsRow(EnteredRow):
    """A row of a student. ``sid`` and ``name`` tell who it was, also after the student is archived or deleted."""

    # Archived and deleted students are in no table of students, but keep their rows.
    student = models.ForeignKey(
        "students.Student",
        models.DO_NOTHING,
        related_name="+",
        verbose_name="学员",
        db_index=False,
        db_constraint=False,
    )
    sid = models.CharField("学号", max_length=12)
    name = models.CharField("姓名", max_length=64)

    class Meta:
        abstract = True


class Record(StudentsRow):
    """What became of a student of a session's list. ``created_by`` is who entered the student, for the data scope."""

    class_path = "session__class_name"

    session = models.ForeignKey(Session, models.CASCADE, related_name="records", verbose_name="考勤", db_index=False)
    status = models.PositiveSmallIntegerField("考勤", choices=Status, default=Status.UNSIGNED)
    signed_at = models.DateTimeField("签到时间", null=True)
    way = models.PositiveSmallIntegerField("方式", choices=Way, default=Way.NONE)
    remark = models.CharField("备注", max_length=200, default="")
    device = models.CharField("设备", max_length=32, default="")  # a hash
    is_same_device = models.BooleanField("同一设备", default=False)  # another student had signed from this device

    class Meta:
        verbose_name = verbose_name_plural = "考勤记录"
        ordering = ["pk"]
        default_permissions = ()
        indexes = [
            models.Index(fields=["student", "session"], name="attendance_of_student"),
            # A rate reads only this one: a fifth of the next, because equal keys are stored once.
            models.Index(fields=["session", "status"], name="attendance_status"),
        ]
        constraints = [
            # What a summary counts is in the index itself.
            models.UniqueConstraint(
                fields=["session", "student"], include=["status", "created_by"], name="attendance_once_of_student"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.get_status_display()}"


class Leave(StudentsRow):
    """A student is on leave (请假) from one day to another, both included. ``created_by`` has entered it."""

    class_path = "student__class_name"

    begins_on = models.DateField("从")
    ends_on = models.DateField("到")
    reason = models.CharField("原因", max_length=200, blank=True, default="")

    class Meta:
        verbose_name = verbose_name_plural = "请假"
        default_permissions = ()  # users who may see and change sessions
        ordering = ["-begins_on", "-pk"]
        indexes = [models.Index(fields=["student", "ends_on"], name="leave_of_student")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("begins_on")),
                name="leave_ends_after_it_begins",
                violation_error_message="结束日期不能早于开始日期",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.begins_on} 至 {self.ends_on}"
