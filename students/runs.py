"""What staff and the clock do with the students' runs: begin, check again, confirm, give up, undo, purge.

What a run may do is asked anew at each step: it depends on the rights and the data scope of its person at that moment.
``runs.work`` has what becomes of every run, ``students.tasks`` which function does the work of which kind in a state.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from core.audit import StaffAction, action_record
from permissions.scope import EVERYTHING, NOTHING, Scope, scope_of
from runs.errors import RunNotAllowed, RunNotReady
from runs.work import KEEP_FOR, run_is_stalled, run_move, run_pass_on, run_send
from students.models import FilePurpose, RowKind, RunKind, RunState, TransferFile, TransferRow, TransferRun
from students.run_facts import Choices, Leavers
from uploads.services import images_release

PURGE_BATCH = 1_000
PORTION = 500  # rows
_NO_UNDO = "这次操作不能撤销，或者已经撤销"


# --- What staff does with a run ---
def run_begin(
    *, kind: str, title: str, user_pk: int | None, now: datetime, state: str = RunState.CHECKING, **fields: Any
) -> TransferRun:
    """Create a run. One that begins in a state after the confirmation is confirmed by the person who begins it.

    What it will show and change is chosen under the person's data scope of now: under a narrower one it is closed.
    """
    if user := get_user_model()._default_manager.select_related("role").filter(pk=user_pk or 0).first():
        fields["options"] = {"scope": scope_of(user).key} | fields.get("options", {})
    fields |= {"created_by_id": user_pk, "confirmed_by_id": None if state == RunState.CHECKING else user_pk}
    fields |= {"created_at": now, "phase_at": now}
    return TransferRun.objects.create(kind=kind, file_name=title, state=state, **fields)


def run_start(*, kind: str, user_pk: int | None, now: datetime, file_name: str, source: bytes) -> TransferRun:
    """Create a run of a file, and let a worker check it once this is committed."""
    file_name = "".join(c for c in file_name if c.isprintable())[-120:] or "file"
    with transaction.atomic():
        run = run_begin(kind=kind, title=file_name, user_pk=user_pk, now=now)
        TransferFile.objects.create(run=run, role=FilePurpose.SOURCE, name=file_name, content=source)
        run_send(run)
    return run


def run_adjust(*, run: TransferRun, now: datetime, options: dict[str, Any]) -> None:
    """Let a worker check the file again with other ``options``: which column is which, or corrected cells.

    :raises RunNotReady: a worker is at it, or it is over.
    """
    run_pass_on(run, run.waiting, now, state=RunState.CHECKING, options=run.options | options)


def run_confirm(*, run: TransferRun, user_pk: int | None, now: datetime) -> None:
    """Let a worker write what the preview showed, in the name of ``user_pk``.

    :raises RunNotReady: the run does not wait for a confirmation, or no longer.
    """
    states = [RunState.READY, *([RunState.REFUSED] if run.kind == RunKind.IMPORT else [])]  # its rows may be left out
    with transaction.atomic():
        run_pass_on(run, states, now, state=RunState.APPLYING, confirmed_by_id=user_pk, options=run.options)
        action = StaffAction.IMPORT if run.kind == RunKind.IMPORT else StaffAction.BULK
        action_record(run, action, {"文件": run.file_name, "行数": counts_text(run)}, actor_pk=user_pk)


def run_cancel(*, run: TransferRun) -> None:
    """Give the run up.

    :raises RunNotReady: a worker is at it, or it is over.
    """
    run_move(run, run.waiting, state=RunState.CANCELLED)


def run_can_undo(run: TransferRun, now: datetime) -> bool:
    """Tell whether the run can be taken back: all but pictures once they are done, a deletion also while at work."""
    is_over = run.state == RunState.DONE and run.kind != RunKind.PHOTOS
    is_deleting = (run.kind, run.state) == (RunKind.DELETE, RunState.APPLYING)
    return (is_over or is_deleting) and now - run.created_at < KEEP_FOR


def run_undo(*, run: TransferRun, user_pk: int | None, now: datetime) -> None:
    """Let a worker take back what the run has done, in the name of ``user_pk``.

    :raises RunNotReady: it cannot be undone, is being undone already, or is so old that its rows are gone.
    """
    if not run_can_undo(run, now):
        raise RunNotReady(_NO_UNDO)
    with transaction.atomic():
        # Waits for a worker in the middle of a step. That worker then finds the state changed, and stops.
        run_pass_on(run, [run.state], now, refusal=_NO_UNDO, state=RunState.UNDOING, undone_by_id=user_pk)
        action_record(run, StaffAction.UNDO, {"文件": run.file_name, "行数": counts_text(run)}, actor_pk=user_pk)


# --- What it may do at this moment ---
def rights_needed(kind: str, *, to_undo: bool = False) -> list[str]:
    """Return the rights that a run of this kind needs: to undo an import deletes students, too."""
    verbs = ["delete"] if to_undo or kind == RunKind.DELETE else ["add", "change"]
    return [f"students.{verb}_student" for verb in (["change"] if kind in {RunKind.EDIT, RunKind.CLASS} else verbs)]


def run_user(run: TransferRun) -> Any:
    """Return the person who began, confirmed or undoes the run; None if nobody did, or the person is gone."""
    user_pk = (run.undone_by_id if run.state == RunState.UNDOING else run.confirmed_by_id) or run.created_by_id
    return get_user_model()._default_manager.select_related("role").filter(pk=user_pk or 0).first()


def run_scope(run: TransferRun) -> Scope:
    """Return whose students the run may change at this moment: those of the person of :func:`run_user`.

    Nobody's, if this person has lost the rights or is gone. A run that no person began may change all.
    """
    user = run_user(run)
    if user is None:
        return NOTHING if "scope" in run.options else EVERYTHING
    needed = rights_needed(run.kind, to_undo=run.state == RunState.UNDOING)
    choices = Choices.load(run.options)
    if choices.leavers:
        needed += ["students.delete_student"] if choices.leavers == Leavers.ARCHIVE else []
        needed += ["students.account_student"] if choices.disables else []
    return scope_of(user) if user.has_perms(needed) else NOTHING


def run_scope_required(run: TransferRun) -> Scope:
    """Return the scope of the run.

    :raises RunNotAllowed: it may change nothing.
    """
    scope = run_scope(run)
    if scope == NOTHING:
        raise RunNotAllowed
    return scope


# --- Its file and its rows ---
def counts_text(run: TransferRun) -> str:
    """Say how many rows of each kind the run has: ``新增 12、修改 3``."""
    return "、".join(f"{kind.label} {run.counts[kind]}" for kind in RowKind if run.counts.get(kind))


def source_of(run: TransferRun) -> bytes:
    """Read the file that was sent in.

    :raises RunNotReady: it was removed meanwhile.
    """
    file = TransferFile.objects.filter(run=run, role__in=FilePurpose).first()
    if file is None:
        raise RunNotReady("文件已过期删除，请重新上传")
    return bytes(file.content)


def source_withhold(run: TransferRun) -> None:
    """Let release 1.1.0 find no file, so that it writes no result: for rows of the newer kinds it would answer 500.

    Remove this when nobody can go back to 1.1.0 any more.
    """
    TransferFile.objects.filter(run=run, role=FilePurpose.SOURCE).update(role=FilePurpose.WITHHELD)


def row_counts(run: TransferRun) -> dict[str, int]:
    """Count the rows of each kind."""
    return dict(TransferRow.objects.filter(run=run).order_by().values_list("kind").annotate(Count("pk")))


def rows_save(rows: Sequence[TransferRow], *fields: str) -> None:
    """Save some fields of rows that exist, in one statement."""
    TransferRow.objects.bulk_create(rows, update_conflicts=True, update_fields=fields, unique_fields=["id"])


def rows_portion(
    run: TransferRun, now: datetime, *, do: Callable[..., None], end: str, todo: Sequence[RowKind]
) -> tuple[int, int]:
    """Call ``do`` for the next ``PORTION`` rows of the kinds ``todo``, each of which it leaves as another kind.

    Return how many rows are done and how many are left. The run's state is ``end`` when none is.
    """
    rows = list(TransferRow.objects.filter(run=run, kind__in=todo).order_by("number")[:PORTION])
    if rows:
        do(run, rows, now)
    run.counts, run.message = row_counts(run), ""
    rest = sum(run.counts.get(kind, 0) for kind in todo)
    run.state = run.state if rest else end
    return sum(run.counts.values()) - rest, rest


# --- What happens by the clock ---
def runs_resume(*, now: datetime) -> int:
    """Send runs whose worker has died between two steps to a worker again; return how many.

    Imports and pictures wait for a person: a file that has killed its worker would kill the next one as well.
    """
    in_steps = Q(kind=RunKind.DELETE, state=RunState.APPLYING) | Q(state=RunState.UNDOING)
    stalled = [run for run in TransferRun.objects.filter(in_steps).order_by("pk") if run_is_stalled(run, now)]
    for run in stalled:
        run_send(run, expires_s=60)  # the queue may be long: the next sweep sends it again
    return len(stalled)


def runs_purge(*, now: datetime) -> None:
    """Remove files and rows of old runs, and the pictures of students who can no longer come back."""
    is_being_undone = Q(state=RunState.UNDOING, phase_at__gt=now - timedelta(days=1))
    old = TransferRun.objects.filter(created_at__lt=now - KEEP_FOR).exclude(is_being_undone)
    TransferFile.objects.filter(run__in=old).delete()
    _rows_purge(TransferRow.objects.filter(run__in=old))
    open_states = [RunState.READY, RunState.REFUSED, *TransferRun.working]
    old.filter(state__in=open_states).update(state=RunState.CANCELLED)


def _rows_purge(rows: QuerySet[TransferRow]) -> None:
    kinds = [RowKind.DELETED, RowKind.KEPT]
    while batch := list(rows.filter(run__kind=RunKind.DELETE, kind__in=kinds).order_by("pk").only("pk")[:PURGE_BATCH]):
        with transaction.atomic():
            images_release(owners=[row.owner_ref for row in batch])
            TransferRow.objects.filter(pk__in=[row.pk for row in batch]).delete()
    rows.delete()
