"""The life of a run: started, worked on by a task, confirmed, started again, given up.

A task works inside one transaction that holds the run's row: killed half-way it leaves nothing, a second one at
the same time finds the row taken and goes, and to start again is always safe.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from core.errors import DomainError
from students.transfer.errors import RunNotReady
from students.transfer.models import TransferFile, TransferRow, TransferRun
from students.transfer.progress import progress_end, progress_tell

log = structlog.get_logger("students.transfer")

State = TransferRun.State
# Files and rows hold personal data: they go, what was done stays.
KEEP_FOR = timedelta(days=7)


def run_start(
    *,
    kind: str,
    user_pk: int | None,
    now: datetime,
    file_name: str,
    source: bytes | None = None,
    options: dict[str, Any] | None = None,
) -> TransferRun:
    """Note a run and let a worker take it once this is committed."""
    file_name = "".join(c for c in file_name if c.isprintable())[-120:] or "file"
    with transaction.atomic():
        run = TransferRun.objects.create(
            kind=kind, created_by_id=user_pk, created_at=now, phase_at=now, file_name=file_name, options=options or {}
        )
        if source is not None:
            TransferFile.objects.create(run=run, role=TransferFile.Role.SOURCE, name=file_name, content=source)
        _send(run)
    return run


def run_confirm(*, run: TransferRun, now: datetime, options: dict[str, Any] | None = None) -> None:
    """Let a worker write what the preview showed.

    :raises RunNotReady: it is not waiting for that, or no longer.
    """
    with transaction.atomic():
        changes = {"state": State.APPLYING, "phase_at": now, "options": run.options | (options or {})}
        if not TransferRun.objects.filter(pk=run.pk, state=State.READY).update(**changes):
            raise RunNotReady
        _send(run)


def run_cancel(*, run: TransferRun, now: datetime) -> None:
    """:raises RunNotReady: it is being worked on, or over."""
    open_ones = TransferRun.objects.filter(pk=run.pk, state__in=[State.READY, State.REFUSED, State.FAILED])
    if not open_ones.update(state=State.CANCELLED, finished_at=now):
        raise RunNotReady


def run_restart(*, run: TransferRun, now: datetime) -> None:
    """Send it to a worker once more: where it stands, or from the check on after it failed.

    :raises RunNotReady: it is over, or its file is gone.
    """
    with transaction.atomic():
        again = [State.FAILED, State.READY, State.REFUSED]
        if TransferRun.objects.filter(pk=run.pk, state__in=again).update(
            state=State.CHECKING, phase_at=now, message="", finished_at=None
        ):
            pass
        elif not TransferRun.objects.filter(pk=run.pk, state__in=[State.CHECKING, State.APPLYING]).exists():
            raise RunNotReady
        _send(run)


def _send(run: TransferRun) -> None:
    from students.tasks import transfer_work

    # With the broker down the page offers to start again: the upload is not lost.
    transaction.on_commit(lambda: transfer_work.apply_async((run.pk,), retry=False), robust=True)


@contextmanager
def working(run_pk: int, state: str) -> Iterator[TransferRun | None]:
    """Hold the run while it is in ``state``; ``None`` if it is not, or another worker holds it."""
    with transaction.atomic():
        held = TransferRun.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=run_pk, state=state)
        run = held.first()
        if run:
            progress_tell(run.pk, 0, 0)
        yield run


def run_do(*, run_pk: int, state: str, work: Callable[[TransferRun], None]) -> None:
    """Do ``work`` and save the run as it leaves it; a refusal or a fault is written down instead."""
    try:
        with working(run_pk, state) as run:
            if run is None:
                return
            work(run)
            if not run.is_working:
                run.finished_at = timezone.now()
            run.save()
    except DomainError as refusal:
        _fail(run_pk, state, refusal.msg)
    except Exception:
        log.exception("transfer failed", run=run_pk)
        _fail(run_pk, state, "处理时出现意外错误,没有写入任何数据。可以重新开始;仍然失败请联系管理员")
    progress_end(run_pk)


def _fail(run_pk: int, state: str, message: str) -> None:
    TransferRun.objects.filter(pk=run_pk, state=state).update(
        state=State.FAILED, message=message[:500], finished_at=timezone.now()
    )


def source_of(run: TransferRun) -> bytes:
    """:raises RunNotReady: the file was removed meanwhile."""
    found = TransferFile.objects.filter(run=run, role=TransferFile.Role.SOURCE).first()
    if found is None:
        raise RunNotReady("文件已过期删除,请重新上传")
    return bytes(found.content)


def runs_purge(*, now: datetime) -> int:
    """Remove files and rows of old runs; answer how many runs."""
    old = TransferRun.objects.filter(created_at__lt=now - KEEP_FOR)
    emptied = TransferFile.objects.filter(run__in=old).values("run").distinct().count()
    TransferFile.objects.filter(run__in=old).delete()
    TransferRow.objects.filter(run__in=old).delete()
    old.filter(state__in=[State.READY, State.REFUSED, State.CHECKING, State.APPLYING]).update(
        state=State.CANCELLED, finished_at=now
    )
    return emptied
