"""Practice students: invented people, each belonging to the trainee who practises with them."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from django.db import transaction

from accounts.models import User
from students.bulk import students_create, students_delete
from students.models import Student
from students.selectors import PRACTICE, PRACTICE_TEXT, PRACTICE_URL, students_entered
from uploads.services import images_release

MAX_PRACTICE = 100  # students of one trainee
BATCH = 1_000
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN_NAMES = ["鹏", "欣怡", "子轩", "雨桐", "浩然", "思远", "佳琪", "梓涵", "俊杰", "晓彤", "建国", "一诺"]
CITIES = ["重庆", "南京", "成都", "武汉", "西安", "长沙", "杭州", "合肥"]
DEGREES = ["大专", "本科", "专科", "硕士"]
CLASSES = ["练习1班", "练习2班", "练习3班"]


def practice_add(*, user_pks: Sequence[int], number: int, now: datetime) -> None:
    """Enter invented students until each of the users has ``number``. The same user gets the same names."""
    for user_pk in user_pks:
        dice = Random(user_pk)  # noqa: S311  (names, no secret)
        with transaction.atomic():
            # Of two clicks at once both have cleared before either adds, and the second must see those of the first.
            list(User.objects.select_for_update(no_key=True).filter(pk=user_pk))
            missing = number - students_entered([user_pk], has_practice=True).filter(PRACTICE).count()
            students = [
                Student(
                    name=dice.choice(SURNAMES) + dice.choice(GIVEN_NAMES),
                    age=dice.randint(18, 30),
                    class_name=CLASSES[at % len(CLASSES)],
                    city=dice.choice(CITIES),
                    degree=dice.choice(DEGREES),
                    product_url=PRACTICE_URL,
                    description=PRACTICE_TEXT,
                    created_by_id=user_pk,
                    created_at=now,
                )
                for at in range(missing)
            ]
            students_create(students, actor_pk=user_pk, now=now)


def students_entered_delete(
    *, user_pks: Sequence[int], actor_pk: int | None, now: datetime, keeps_practice: bool = False
) -> int:
    """Delete all students that the users have entered; return how many.

    :param keeps_practice: not the practice students, as far as nobody has altered them.
    """
    number = 0
    while True:
        with transaction.atomic():
            students = list(students_entered(user_pks, has_practice=not keeps_practice).select_for_update()[:BATCH])
            if not students:
                return number
            images_release(owners=[student.owner_ref for student in students])
            students_delete(students, actor_pk=actor_pk, now=now)
            number += len(students)
