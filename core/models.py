"""The tables that belong to no app: restores, backups, alerts, kept answers."""

from django.db import models


class Restoration(models.Model):
    """A backup was restored: what happened between ``written_at`` and ``restored_at`` is missing from the rows."""

    written_at = models.DateTimeField("备份时间")
    restored_at = models.DateTimeField("恢复时间")

    class Meta:
        verbose_name = verbose_name_plural = "恢复记录"
        ordering = ["-restored_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.restored_at} ({self.written_at})"


class Backup(models.Model):
    """A backup of the database that was finished: pgBackRest's unit adds one each night, else `manage.py backup`."""

    finished_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.finished_at)


class Installation(models.Model):
    """The one row says to which kind of server the database belongs (``core.db.installation``)."""

    kind = models.CharField(max_length=10)
    marked_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.kind


class Alert(models.Model):
    """Something that the doctor finds wrong, and when people were told; see ``operations.alerts``."""

    key = models.CharField(max_length=200, primary_key=True)
    text = models.CharField(max_length=500)
    number = models.PositiveBigIntegerField(default=0)  # of what is wrong, when it was told
    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.text


class KeptAnswer(models.Model):
    """What a call with an Idempotency-Key was answered; see ``core.api.once``."""

    user_pk = models.BigIntegerField()  # no foreign key: a deleted user's rows go after a day
    key = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    answer = models.TextField(default="")  # JSON; a row that others see has one
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user_pk", "key"], name="kept_answer_of_key")]

    def __str__(self) -> str:
        return self.key
