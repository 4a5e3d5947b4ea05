"""What a run may do at this moment: the rights and the data scope of the person who began, confirmed or undoes it."""

from typing import Any

from django.contrib.auth import get_user_model

from permissions.scope import EVERYTHING, NOTHING, Scope, scope_of
from runs.errors import RunNotAllowed
from students.models import RunKind, RunState, TransferRun
from students.run_facts import Choices, Leavers


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
