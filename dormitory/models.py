"""Rooms, and who slept in which bed from when to when."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from permissions.models import EnteredRow

MAX_BEDS = 12


class RoomGender(models.TextChoices):
    MALE = "男", "男"
    FEMALE = "女", "女"
    ANY = "不限", "不限"


class Room(EnteredRow):
    """A room of a building. Its beds have the numbers 1 to ``beds``."""

    building = models.CharField("楼", max_length=32)
    name = models.CharField("房间", max_length=32)
    gender = models.CharField("男女", max_length=2, choices=RoomGender, default=RoomGender.ANY)
    beds = models.PositiveSmallIntegerField("床位数", validators=[MinValueValidator(1), MaxValueValidator(MAX_BEDS)])
    # Made by a user who sees only own rows and cannot know of others' rooms: unique among those rows.
    is_private = models.BooleanField("仅录入人可见", default=False, editable=False)
    removed_at = models.DateTimeField("删除时间", null=True, blank=True, editable=False)  # the history names the room

    class Meta:
        verbose_name = verbose_name_plural = "宿舍房间"
        ordering = ["building", "name", "pk"]
        permissions = [("export_room", "导出宿舍")]
        constraints = [
            models.UniqueConstraint(
                fields=["building", "name"],
                condition=Q(removed_at=None, is_private=False),
                name="room_once",
                violation_error_message="该房间已存在",
            ),
            models.UniqueConstraint(
                fields=["created_by", "building", "name"],
                condition=Q(removed_at=None, is_private=True),
                name="room_once_of_person",
                violation_error_message="该房间已存在",
            ),
            models.CheckConstraint(condition=Q(beds__range=(1, MAX_BEDS)), name="room_has_sensible_beds"),
        ]

    def __str__(self) -> str:
        return f"{self.building} {self.name}"

    def takes(self, student: Any) -> bool:
        """Tell whether the room is for a student's gender; one of unknown gender may live anywhere."""
        return self.gender in (RoomGender.ANY, student.gender or self.gender)


class Stay(models.Model):
    """A student in a bed. ``name`` and ``sid`` tell who it was also after the student is deleted."""

    room = models.ForeignKey(Room, models.PROTECT, verbose_name="房间", related_name="stays", db_index=False)
    bed = models.PositiveSmallIntegerField("床位")
    # Archived and deleted students are in no table of students, but only a stay that has ended can be of one.
    student = models.ForeignKey(
        "students.Student", models.DO_NOTHING, verbose_name="学员", related_name="+", db_constraint=False
    )
    sid = models.CharField("学号", max_length=12)
    name = models.CharField("姓名", max_length=64)
    begins_at = models.DateTimeField("入住时间")
    ends_at = models.DateTimeField("退宿时间", null=True)
    # The student was archived or deleted: one who is brought back gets the bed again if it is free.
    is_interrupted = models.BooleanField("因归档退宿", default=False)

    class Meta:
        verbose_name = verbose_name_plural = "住宿记录"
        ordering = ["-begins_at", "-pk"]
        default_permissions = ()
        indexes = [models.Index(fields=["room", "bed", "-begins_at"], name="stay_of_bed")]
        constraints = [
            models.UniqueConstraint(fields=["room", "bed"], condition=Q(ends_at=None), name="stay_once_in_bed"),
            models.UniqueConstraint(fields=["student"], condition=Q(ends_at=None), name="stay_once_of_student"),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("begins_at")), name="stay_ends_after_it_begins"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.bed}号床"

    @property
    def place(self) -> str:
        return f"{self.room} {self.bed}号床"
