"""Classes, as staff plan them."""

from django.conf import settings
from django.db import models


class ClassState(models.TextChoices):
    OPEN = "open", "开班"
    ENDED = "ended", "结业"


class SchoolClass(models.Model):
    """A class (班级). Students and accounts name it by its text, which clients send and read as ``class``.

    Who gives a student a class that is new writes no row here: of two such writers, one would wait until the other, for
    example a long import, is committed. ``students.classes`` adds the missing rows whenever classes are asked for.
    """

    name = models.CharField("班级", max_length=64, unique=True)
    # Without constraints in the database: 1.1.0 could not delete a user who teaches a class.
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
