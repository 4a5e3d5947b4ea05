"""Whose class it is: root has all, a teacher those that name him as head teacher or teacher.

A teacher has the right 课堂. What is not his is as good as missing to him: no answer tells whether it exists.
"""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.errors import ClassAccountsRefused
from accounts.models import User
from accounts.selectors import users_of_class
from accounts.services.class_accounts import class_list, trainee_accounts
from practice.selectors import class_names
from students.classes import classes_add, classes_of_user
from students.models import SchoolClass
from students.selectors import students_total

TEACH = "lessons.teach"


def may_teach(user: Any) -> bool:
    return bool(user.has_perm(TEACH))


def classes_taught(user: Any) -> list[str]:
    """Return the names of the classes that name a teacher, also of those without accounts."""
    return sorted(classes_of_user(user.pk, has_campus=False))


def classes_for(user: Any) -> list[tuple[str, int]]:
    """Return name and number of accounts of each class that a user may open here; root sees all that were opened."""
    counts = dict(class_list())
    names = sorted({*counts, *class_names()}) if user.is_superuser else classes_taught(user)
    return [(name, counts.get(name, 0)) for name in names]


def teaches(user: Any, class_name: str) -> bool:
    return may_teach(user) and (user.is_superuser or class_name in classes_taught(user))


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


@transaction.atomic
def class_take(user: Any, class_name: str) -> None:
    """Make a user the teacher of the class that is opened, unless it has teachers.

    :raises ClassAccountsRefused: a teacher may not open it, because others use its name.
    """
    classes_add([class_name])
    row = SchoolClass.objects.select_for_update().get(name=class_name)
    teachers = {row.head_teacher_id, *row.teachers.values_list("pk", flat=True)} - {None}
    if user.is_superuser or user.pk in teachers:
        return
    is_used = users_of_class(class_name).exists() or students_total(class_name) or class_name in class_names()
    if teachers or is_used:
        raise ClassAccountsRefused("这个班级名已经有人用，请换一个，或请它的老师加上您")
    row.teachers.add(user)


def teacher_add(*, class_name: str, username: str, is_handed_over: bool = False) -> bool:
    """Let another teacher have a class too, or alone; return whether there is one of this name with the right."""
    user = User.objects.filter(username=username.strip(), is_staff=True, is_active=True).first()
    if user is None or not may_teach(user):
        return False
    with transaction.atomic():
        classes_add([class_name])
        row = SchoolClass.objects.select_for_update().get(name=class_name)
        if is_handed_over:
            row.teachers.clear()
            row.head_teacher = None
            row.save(update_fields=["head_teacher"])
        row.teachers.add(user)
    return True


def teacher_names(class_name: str) -> list[str]:
    rows = SchoolClass.objects.filter(name=class_name)
    pks = {*rows.values_list("head_teacher", flat=True), *rows.values_list("teachers", flat=True)}
    return list(User.objects.filter(pk__in=pks - {None}).order_by("pk").values_list("username", flat=True))
