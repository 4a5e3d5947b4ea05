"""What a run may do at this moment: the rights and the data scope of the person who began, confirmed or undoes it."""

from typing import Any

from django.contrib.auth import get_user_model

from permissions.scope import EVERYTHING, NOTHING, Scope, scope_of
from runs.errors import RunNotAllowed
from students.models import RunKind, RunState, TransferRun


def rights_needed(kind: str, *, to_undo: bool = False) -> list[str]:
    """Return the rights that a run of this kind needs: to undo an import deletes students, too."""
    verbs = ["delete"] if to_undo or kind == RunKind.DELETE else ["add", "change"]
    return [f"students.{verb}_student" for verb in (["change"] if kind in {RunKind.EDIT, RunKind.CLASS} else verbs)]


def run_scope(run: TransferRun) -> Scope:
    """Return whose students the run may change at this moment: those of the person who began, confirmed or undoes it.

    Nobody's, if this person has lost the rights or is gone. A run that no person began may change all.
    """
    is_undone, users = run.state == RunState.UNDOING, get_user_model()._default_manager.select_related("role")
    user_pk = (run.undone_by_id if is_undone else run.confirmed_by_id) or run.created_by_id
    user: Any = users.filter(pk=user_pk).first() if user_pk else None
    if user is None:
        return NOTHING if "scope" in run.options else EVERYTHING
    return scope_of(user) if user.has_perms(rights_needed(run.kind, to_undo=is_undone)) else NOTHING


def run_scope_required(run: TransferRun) -> Scope:
    """Return the scope of the run.

    :raises RunNotAllowed: it may change nothing.
    """
    scope = run_scope(run)
    if scope == NOTHING:
        raise RunNotAllowed
    return scope
