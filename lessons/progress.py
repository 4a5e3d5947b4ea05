"""Keep the checkpoints that accounts have reached, and those that are chosen for a class."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from core.times import local
from lessons.calls import Call
from lessons.checkpoints import CHECKPOINTS, checkpoints_proved
from lessons.models import Done, Plan
from students.classes import classes_add
from students.models import SchoolClass

MAX_PROOF = 5  # calls


def progress_of(calls: dict[int, list[Call]], *, now: datetime) -> dict[int, dict[str, dict[str, Any]]]:
    """Return what each account has reached, by its key: for each checkpoint ``at`` and ``calls``. Keep what is new."""
    done: dict[int, dict[str, dict[str, Any]]] = {pk: {} for pk in calls}
    for row in Done.objects.filter(user__in=calls):
        done[row.user_id][row.checkpoint] = {"at": local(row.at).isoformat(timespec="seconds"), "calls": row.calls}
    news = []
    for pk, own in calls.items():
        for name, proof in checkpoints_proved(own, now=now).items():
            if name not in done[pk]:
                at = datetime.fromtimestamp(proof[-1].time, UTC)
                row = Done(user_id=pk, checkpoint=name, at=at, calls=[one.proof() for one in proof[:MAX_PROOF]])
                done[pk][name] = {"at": local(at).isoformat(timespec="seconds"), "calls": row.calls}
                news.append(row)
    if news:
        Done.objects.bulk_create(news, ignore_conflicts=True)  # another process may have seen the same calls
    return done


def plan_of(class_name: str) -> tuple[list[str], date | None]:
    """Return the checkpoints of a class, all of them unless somebody has chosen, and the day by which they are due."""
    plan = Plan.objects.filter(school_class__name=class_name).first() if class_name else None
    return (
        ([name for name in plan.checkpoints if name in CHECKPOINTS], plan.until) if plan else (list(CHECKPOINTS), None)
    )


def plan_set(class_name: str, checkpoints: Sequence[str], until: date | None) -> None:
    classes_add([class_name])
    row = SchoolClass.objects.get(name=class_name)
    Plan.objects.update_or_create(school_class=row, defaults={"checkpoints": [*checkpoints], "until": until})


def plan_read(names: Any, until: Any) -> tuple[list[str], date | None]:
    """Check a choice of checkpoints and its day.

    :raises ValueError: with a sentence that names the field.
    """
    if not isinstance(names, list) or any(name not in CHECKPOINTS for name in map(str, names)):
        raise ValueError(f"checkpoints: a list of {', '.join(CHECKPOINTS)}")
    try:
        day = date.fromisoformat(until) if until else None
    except (TypeError, ValueError):
        raise ValueError("until: a day as 2026-12-31") from None
    return list(dict.fromkeys(map(str, names))), day
