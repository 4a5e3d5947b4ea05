"""What a class is to show, and what its accounts have shown."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Plan(models.Model):
    """The checkpoints that a teacher has chosen for a class, in order, and the day by which they are due."""

    school_class = models.OneToOneField("students.SchoolClass", models.CASCADE, related_name="+", db_constraint=False)
    checkpoints = ArrayField(models.CharField(max_length=16), default=list)
    until = models.DateField(null=True)

    class Meta:
        verbose_name = verbose_name_plural = "课堂"
        default_permissions = ()
        permissions = [("teach", "课堂")]

    def __str__(self) -> str:
        return str(self.school_class)


class Done(models.Model):
    """A checkpoint that an account has reached, with the calls that prove it. It stays."""

    # Without constraints in the database: 1.1.0 could not delete such a user, or such a class.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    checkpoint = models.CharField(max_length=16)
    at = models.DateTimeField()
    calls = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "checkpoint"], name="lessons_done_once")]

    def __str__(self) -> str:
        return self.checkpoint
