"""Invite people into a class, let them join, and clear accounts that nobody uses any more."""

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import F

from accounts.captcha import CaptchaAnswer
from accounts.errors import CaptchaWrong
from accounts.models import User
from accounts.selectors import users_of_class, users_over
from accounts.services.users import user_register
from attendance.selectors import sessions_entered
from attendance.services import sessions_clear
from core.cache import ratelimit
from core.errors import Throttled
from dormitory.selectors import rooms_entered
from dormitory.services import rooms_clear
from permissions.models import DataScope, Role
from permissions.services.roles import role_scoped
from practice.errors import InvitationInvalid
from practice.models import MAX_NAME, ClassTerms, Invitation
from shop.selectors import goods_entered
from shop.services.catalogue import catalogue_clear
from students.invented import MAX_PRACTICE, practice_add, students_entered_delete
from students.selectors import students_entered

# Without 0 and O, 1, I and L, 2 and Z, 5 and S, G (6), B (8), and U, which is heard as V: 8 of 23 are 7.8e10 codes.
ALPHABET = "ACDEFHJKMNPQRTVWXY34679"
CODE_LENGTH = 8
CODE_PATTERN = re.compile(f"[{ALPHABET}]{{{CODE_LENGTH}}}")
MAX_DAYS, MAX_PLACES = 60, 200
# Of one network, which may be a whole class behind one address.
WRONG_A_MINUTE, JOINED_A_MINUTE, OPENED_AN_HOUR = 20, 60, 20
OPEN_STUDENTS = 20  # practice students of an account without a class
AFTER_CLASS = timedelta(days=14)


def terms_keep(*, class_name: str, roleid: str, scope: str = "", students: int) -> ClassTerms:
    """Remember what a class was opened with, for those who join it later."""
    role = role_scoped(roleid=roleid, scope=DataScope(scope)) if scope else Role.objects.get(roleid=roleid)
    values = {"role": role, "students": min(students, MAX_PRACTICE)}
    return ClassTerms.objects.update_or_create(class_name=class_name, defaults=values)[0]


def terms_forget(*, class_name: str) -> None:
    """Forget a class whose accounts are deleted; its invitations end."""
    ClassTerms.objects.filter(class_name=class_name).delete()


def terms_move(*, before: str, after: str) -> bool:
    """Let the terms and the invitation of a class follow its name; return whether they did.

    Where ``after`` has terms of its own, or is too long a name for accounts, they stay and the invitation ends.
    """
    rows = ClassTerms.objects.filter(class_name=before)
    if len(after) > MAX_NAME or ClassTerms.objects.filter(class_name=after).exists():
        Invitation.objects.filter(terms__in=rows).delete()
        return False
    return bool(rows.update(class_name=after))


def terms_move_undo(*, before: str, after: str, note: bool) -> None:
    if note:
        terms_move(before=after, after=before)


@transaction.atomic
def invitation_make(*, class_name: str, days: int, places: int, by: str, now: datetime) -> Invitation:
    """Make the one invitation to a class; an earlier one ends. A class that had ended goes on.

    :raises InvitationInvalid: there is no such class. One that was opened before 1.2 has the role of its accounts.
    """
    terms = ClassTerms.objects.filter(class_name=class_name).first()
    if terms is None:
        user = users_of_class(class_name).select_related("role").first()
        if user is None:
            raise InvitationInvalid
        terms = terms_keep(class_name=class_name, roleid=user.role.roleid, students=0)
    terms.invitations.all().delete()
    users_of_class(class_name).update(ends_at=None)
    return terms.invitations.create(
        code="".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)),
        ends_at=now + timedelta(days=min(max(days, 1), MAX_DAYS)),
        places=min(max(places, 1), MAX_PLACES),
        made_by=by,
        made_at=now,
    )


@transaction.atomic
def practice_class_end(*, class_name: str, now: datetime) -> int:
    """End a class: nobody joins any more, and a practice server clears its accounts later; return how many."""
    Invitation.objects.filter(terms__class_name=class_name).delete()
    return users_of_class(class_name).update(ends_at=now + AFTER_CLASS)


def account_join(
    *, invite: str, username: str, password: str, nickname: str, captcha: CaptchaAnswer, network: str, now: datetime
) -> User:
    """Open an account in the class of an invitation; without one where ``PRACTICE_OPEN`` allows that, with a captcha.

    :raises InvitationInvalid: it is wrong, has ended, or all its places are taken.
    :raises CaptchaWrong: without an invitation.
    :raises Throttled: too many accounts, or wrong codes, of this network.
    :raises UsernameTaken, PasswordTooWeak: see ``user_register``. Nothing was created.
    """
    invitation = _admitted(invite, captcha, network, now)
    # Before the transaction, because it takes the longest.
    person = {"username": username, "password": password, "nickname": nickname, "hashed": make_password(password)}
    return _account(person, invitation, now=now)


def _admitted(invite: str, captcha: CaptchaAnswer, network: str, now: datetime) -> Invitation | None:
    """Return the invitation; None for somebody who may come without one."""
    if not invite and settings.PRACTICE_OPEN:
        if not captcha.spend():
            raise CaptchaWrong
        _limit("opened", network, OPENED_AN_HOUR, 3600)
        return None
    if wait_s := ratelimit.seconds_to_wait(f"join:wrong:{network}", limit=WRONG_A_MINUTE):
        raise Throttled(wait_s)
    rows = Invitation.objects.filter(code=code_of(invite), ends_at__gt=now, joined__lt=F("places"))
    invitation = rows.select_related("terms__role").first()
    if invitation is None:
        _limit("wrong", network, WRONG_A_MINUTE, 60)
        raise InvitationInvalid
    _limit("joined", network, JOINED_A_MINUTE, 60)
    return invitation


def code_of(text: str) -> str:
    """Return a code as it is kept, however a person has typed it."""
    return re.sub(r"[\s-]", "", text).upper()


def _limit(what: str, network: str, limit: int, window_s: int) -> None:
    if wait_s := ratelimit.hit(f"join:{what}:{network}", limit=limit, window_s=window_s):
        raise Throttled(wait_s)


@transaction.atomic
def _account(person: dict[str, Any], invitation: Invitation | None, *, now: datetime) -> User:
    if invitation is None:
        user, number = user_register(**person), OPEN_STUDENTS
    else:
        terms = invitation.terms
        user, number = user_register(**person, roleid=terms.role.roleid, class_name=terms.class_name), terms.students
    practice_add(user_pks=[user.pk], number=number, now=now)
    # Last, because the row stays locked to the end. If two people take the last place, one of them changes no row.
    rows = Invitation.objects.filter(pk=invitation.pk, joined__lt=F("places")) if invitation else None
    if rows is not None and not rows.update(joined=F("joined") + 1):
        raise InvitationInvalid
    return user


Entries = tuple[int, int, int, int]  # how many students, products and categories, sessions of attendance, rooms


def entries_count(user_pks: Sequence[int], *, keeps_practice: bool) -> Entries:
    """Return how much ``entries_clear`` would take away."""
    students = students_entered(user_pks, has_practice=not keeps_practice).count()
    goods = sum(rows.count() for rows in goods_entered(user_pks))
    return students, goods, sessions_entered(user_pks).count(), rooms_entered(user_pks).count()


def entries_clear(
    *, user_pks: Sequence[int], actor_pk: int | None, now: datetime, keeps_practice: bool = False
) -> Entries:
    """Delete what the accounts have entered, and take their products and categories off sale; return how much.

    :param keeps_practice: see ``students_entered_delete``.
    """
    students = students_entered_delete(user_pks=user_pks, actor_pk=actor_pk, now=now, keeps_practice=keeps_practice)
    goods = catalogue_clear(user_pks=user_pks, now=now)
    return students, goods, sessions_clear(user_pks=user_pks), rooms_clear(user_pks=user_pks)


def accounts_clear(*, pks: Iterable[int], now: datetime) -> int:
    """Delete those of these accounts whose time is over, with what they have entered; return how many.

    Their orders stay, without a buyer, until they are purged with all others.
    """
    number = 0
    for pk in pks:
        with transaction.atomic():
            # Locked and asked again: a login at this instant gives the account its time back.
            user = users_over(now).select_for_update(no_key=True, of=("self",)).filter(pk=pk).first()
            if user is None:
                continue
            entries_clear(user_pks=[pk], actor_pk=None, now=now)
            user.delete()
            number += 1
    return number
