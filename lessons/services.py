"""Open a class, give it teachers and a plan, and keep what its accounts have reached."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from django.db import transaction

from accounts.errors import ClassAccountsRefused
from accounts.models import User
from accounts.selectors import user_pks_of, users_of_class
from accounts.services.class_accounts import Slip, Trainee, class_accounts_create
from core import times
from core.registers import Register
from lessons.calls import Call
from lessons.checkpoints import CHECKPOINTS, checkpoints_proved
from lessons.models import Done, Plan
from lessons.selectors import may_teach, teaching_scope
from practice.selectors import class_names
from practice.services import terms_keep
from students.accounts import accounts_link
from students.classes import classes_add
from students.invented import MAX_PRACTICE, practice_add
from students.models import SchoolClass
from students.selectors import students_total

MAX_PROOF = 5  # calls
demo_reset = Register[Callable[[], list[str]]]("how the demo data is put back")  # returns what it did


@transaction.atomic
def class_open(
    class_name: str, trainees: list[Trainee], roleid: str, scope: str, students: int, *, by: User
) -> list[Slip]:
    """Make the accounts of a class, each with practice students of its own; return the slips.

    All or nothing: an account that stayed behind would have a password that nobody has seen.

    :param by: becomes its teacher, and links accounts to students of the own classes alone; root to all.
    :raises ClassAccountsRefused: see ``class_take`` and ``class_accounts_create``.
    """
    class_take(by, class_name)
    slips = class_accounts_create(class_name=class_name, trainees=trainees, roleid=roleid, scope=scope)
    accounts_link(slips, teaching_scope(by))
    pks = user_pks_of(*(slip.username for slip in slips))
    practice_add(user_pks=pks, number=min(students, MAX_PRACTICE), now=times.now())
    terms_keep(class_name=class_name, roleid=roleid, scope=scope, students=students)
    return slips


@transaction.atomic
def class_take(user: User, class_name: str) -> None:
    """Make a user the teacher of the class that is opened, unless it has teachers.

    :raises ClassAccountsRefused: a teacher may not open it, because others use its name.
    """
    row = _class_locked(class_name)
    teachers = {row.head_teacher_id, *row.teachers.values_list("pk", flat=True)} - {None}
    if user.is_superuser or user.pk in teachers:
        return
    is_used = users_of_class(class_name).exists() or students_total(class_name) or class_name in class_names()
    if teachers or is_used:
        raise ClassAccountsRefused("这个班级名已经有人用，请换一个，或请它的老师加上您")
    row.teachers.add(user)


@transaction.atomic
def teacher_add(*, class_name: str, username: str, is_handed_over: bool = False) -> bool:
    """Let another teacher have a class too, or alone; return whether there is one of this name with the right."""
    user = User.objects.filter(username=username.strip(), is_staff=True, is_active=True).first()
    if user is None or not may_teach(user):
        return False
    row = _class_locked(class_name)
    if is_handed_over:
        row.teachers.clear()
        row.head_teacher = None
        row.save(update_fields=["head_teacher"])
    row.teachers.add(user)
    return True


@transaction.atomic
def plan_set(*, class_name: str, checkpoints: Any, until: Any) -> tuple[list[str], date | None]:
    """Choose the checkpoints of a class and the day by which they are due; return both.

    :raises ValueError: one of them is none; with a sentence that names the field.
    """
    if not isinstance(checkpoints, list) or any(name not in CHECKPOINTS for name in map(str, checkpoints)):
        raise ValueError(f"checkpoints: a list of {', '.join(CHECKPOINTS)}")
    try:
        day = date.fromisoformat(until) if until else None
    except (TypeError, ValueError):
        raise ValueError("until: a day as 2026-12-31") from None
    names = list(dict.fromkeys(map(str, checkpoints)))
    row = _class_locked(class_name)
    Plan.objects.update_or_create(school_class=row, defaults={"checkpoints": names, "until": day})
    return names, day


def _class_locked(name: str) -> SchoolClass:
    """Lock the row of a class, which is added if nobody has asked for it yet."""
    classes_add([name])
    return SchoolClass.objects.select_for_update().get(name=name)


def progress_update(calls: dict[int, list[Call]], *, now: datetime) -> dict[int, dict[str, Done]]:
    """Keep what the accounts, by their keys, have newly reached; return all that they have, by its name."""
    done: dict[int, dict[str, Done]] = {pk: {} for pk in calls}
    for row in Done.objects.filter(user__in=calls):
        done[row.user_id][row.checkpoint] = row
    news = [
        Done(
            user_id=pk,
            checkpoint=name,
            at=datetime.fromtimestamp(proof[-1].time, UTC),
            calls=[call.proof() for call in proof[:MAX_PROOF]],
        )
        for pk, own in calls.items()
        for name, proof in checkpoints_proved(own, now=now).items()
        if name not in done[pk]
    ]
    Done.objects.bulk_create(news, ignore_conflicts=True)  # another process may have seen the same calls
    for row in news:
        done[row.user_id][row.checkpoint] = row
    return done
