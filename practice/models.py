"""What a class was opened with, and the invitations to it."""

from django.db import models

from permissions.models import Role

MAX_NAME = 32  # of the class in ``accounts.User``


class ClassTerms(models.Model):
    """What each account of a class begins with. ``class_name`` is that of the accounts (``accounts.User``)."""

    class_name = models.CharField("班级", max_length=MAX_NAME, unique=True)
    role = models.ForeignKey(Role, models.CASCADE, verbose_name="角色", related_name="+")
    students = models.PositiveSmallIntegerField("练习学员", default=0)

    class Meta:
        verbose_name = verbose_name_plural = "开班设定"
        default_permissions = ()

    def __str__(self) -> str:
        return self.class_name


class Invitation(models.Model):
    """A code with which ``places`` people may open an account in a class, until ``ends_at``."""

    code = models.CharField("邀请码", max_length=8, unique=True)
    terms = models.ForeignKey(ClassTerms, models.CASCADE, verbose_name="班级", related_name="invitations")
    ends_at = models.DateTimeField("截止")
    places = models.PositiveSmallIntegerField("人数")
    joined = models.PositiveSmallIntegerField("已加入", default=0)
    made_by = models.CharField("发出者", max_length=64)
    made_at = models.DateTimeField("发出时间")

    class Meta:
        verbose_name = verbose_name_plural = "邀请码"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=models.Q(joined__lte=models.F("places")), name="invitation_has_places"),
        ]

    def __str__(self) -> str:
        return self.code
