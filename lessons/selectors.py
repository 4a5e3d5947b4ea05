"""Whose class it is, and what it is to show. Root has all classes, a teacher those of which he is head or teacher.

A teacher has the right 课堂. The class of another is answered like one that does not exist.
"""

from datetime import date
from typing import Any

from django.db.models import QuerySet

from accounts.models import User
from accounts.selectors import users_of_class
from accounts.services.class_accounts import accounts_by_class, trainee_accounts
from lessons.checkpoints import CHECKPOINTS
from lessons.models import Plan
from permissions.models import DataScope
from permissions.scope import EVERYTHING, Scope
from practice.selectors import class_names
from students.classes import classes_of_user
from students.models import SchoolClass

TEACH = "lessons.teach"


def may_teach(user: Any) -> bool:
    return bool(user.has_perm(TEACH))


def classes_for(user: Any) -> list[tuple[str, int]]:
    """Return name and number of accounts of each class that a user may open here; root sees all that were opened."""
    counts = dict(accounts_by_class())
    names = {*counts, *class_names()} if user.is_superuser else classes_of_user(user.pk, has_campus=False)
    return [(name, counts.get(name, 0)) for name in sorted(names)]


def teaches(user: Any, class_name: str) -> bool:
    return may_teach(user) and (user.is_superuser or class_name in classes_of_user(user.pk, has_campus=False))


def teaching_scope(user: Any) -> Scope:
    """Return the students for whom a user may make accounts: of the classes taught, whatever the role shows."""
    names = classes_of_user(user.pk, has_campus=False)
    return EVERYTHING if user.is_superuser else Scope(DataScope.CLASS, user.pk, names)


def trainees_of(user: Any, class_name: str) -> QuerySet[User]:
    """Return the accounts of a class that a user manages: a teacher's are those of trainees alone."""
    if not teaches(user, class_name):
        return User.objects.none()
    return users_of_class(class_name) if user.is_superuser else trainee_accounts(class_name)


def trainees_named(user: User, unid: str, class_name: str) -> list[User] | None:
    """Return the accounts that a user manages: of a class, or the one with this number; None to no teacher."""
    if not may_teach(user):
        return None
    if not unid:
        return list(trainees_of(user, class_name))
    trainee = User.objects.filter(unid=unid).first()
    if trainee is None or user.is_superuser:
        return [trainee] if trainee else []
    return list(trainees_of(user, trainee.class_name).filter(pk=trainee.pk))


def teacher_names(class_name: str) -> list[str]:
    rows = SchoolClass.objects.filter(name=class_name)
    pks = {*rows.values_list("head_teacher", flat=True), *rows.values_list("teachers", flat=True)}
    return list(User.objects.filter(pk__in=pks - {None}).order_by("pk").values_list("username", flat=True))


def plan_of(class_name: str) -> tuple[list[str], date | None]:
    """Return the checkpoints of a class, all of them unless somebody has chosen, and the day by which they are due."""
    plan = Plan.objects.filter(school_class__name=class_name).first() if class_name else None
    if plan is None:
        return list(CHECKPOINTS), None
    return [name for name in plan.checkpoints if name in CHECKPOINTS], plan.until
