"""What a run may do at this moment: the rights and the data scope of the person who began, confirmed or undoes it."""

from typing import Any

from django.contrib.auth import get_user_model

from permissions.scope import EVERYTHING, NOTHING, Scope, scope_of
from students.errors import RunNotAllowed
from students.models import RunKind, RunState, TransferRun


def rights_needed(run: TransferRun, *, to_undo: bool) -> tuple[str, ...]:
    """Return the verbs of the rights on students: to undo an import deletes students, too."""
    if run.kind in {RunKind.EDIT, RunKind.CLASS}:
        return ("change",)
    return ("delete",) if to_undo or run.kind == RunKind.DELETE else ("add", "change")


def run_scope(run: TransferRun) -> Scope:
    """Return whose students the run may change at this moment: those of the person who began, confirmed or undoes it.

    Nobody's, if this person has lost the rights or is gone. A run that no person began may change all.
    """
    is_undone, users = run.state == RunState.UNDOING, get_user_model()._default_manager.select_related("role")
    user_pk = (run.undone_by_id if is_undone else run.confirmed_by_id) or run.created_by_id
    user: Any = users.filter(pk=user_pk).first() if user_pk else None
    if user is None:
        return NOTHING if "scope" in run.options else EVERYTHING
    rights = [f"students.{verb}_student" for verb in rights_needed(run, to_undo=is_undone)]
    return scope_of(user) if user.has_perms(rights) else NOTHING


def run_scope_required(run: TransferRun) -> Scope:
    """Return the scope of the run.

    :raises RunNotAllowed: it may change nothing.
    """
    scope = run_scope(run)
    if scope == NOTHING:
        raise RunNotAllowed
    return scope
