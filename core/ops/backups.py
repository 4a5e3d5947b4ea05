"""How old the last good backup is, for ``manage.py doctor`` and ``/metrics``: the base backup, and the archive since.

pgBackRest writes both (docs/operations.md). Its unit adds a ``Backup`` when a base backup is finished, and PostgreSQL
itself keeps when the archive took the last piece of its log.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from core import times
from core.models import Backup
from core.observe import metrics
from core.observe.metrics import Sample
from core.ops.doctor import Finding, register_check

BASE_EVERY = timedelta(hours=26)  # a night's backup, and time for it
_REMEDY = "docs/operations.md; on the database's machine: journalctl -u spms-backup, pgbackrest --stanza=spms check."
_ARCHIVER = """
SELECT current_setting('archive_mode') <> 'off', last_archived_time,
    coalesce(last_failed_time > last_archived_time, false)
FROM pg_stat_archiver
"""


@register_check
def backups() -> Iterator[Finding]:
    is_bad = False if settings.PRODUCTION else None
    now, last, (has_archive, archived, is_failing) = times.now(), _last_backup(), _archiver()
    if last is None:
        yield Finding(is_bad, "No backup was ever written", _REMEDY)
    else:
        what = f"The last base backup is {(now - last) / timedelta(hours=1):.1f} h old"
        yield Finding(is_bad, what, _REMEDY) if now - last > BASE_EVERY else Finding(True, what)
    if not has_archive:
        yield Finding(None, "PostgreSQL keeps no archive: what came after the last backup can be lost", _REMEDY)
    elif is_failing or not archived:
        yield Finding(False, f"PostgreSQL's archive takes nothing; the last time was {archived}", _REMEDY)


@metrics.register_samples
def ages() -> Iterator[Sample]:
    if last := _last_backup():
        yield "spms_backup_age_seconds", "Since the last base backup", {}, (times.now() - last).total_seconds()
    has_archive, archived, _ = _archiver()
    if has_archive and archived:
        age_s = (times.now() - archived).total_seconds()
        yield "spms_archive_age_seconds", "Since PostgreSQL's archive took a piece of its log", {}, age_s


def _last_backup() -> datetime | None:
    return Backup.objects.order_by("-finished_at").values_list("finished_at", flat=True).first()


def _archiver() -> tuple[bool, datetime | None, bool]:
    with connection.cursor() as cursor:
        cursor.execute(_ARCHIVER)
        row: tuple[bool, datetime | None, bool] = cursor.fetchone()
        return row
