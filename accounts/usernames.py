"""Decide who may take a user name: names that look equal are one, and a student's number is for that student alone.

Names that exist stay as they are, and log in as they are written.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

from django.db import connection
from django.db.models import Func, TextField

from accounts.errors import UsernameTaken
from core.registers import Register

# What a browser does not show: soft hyphens, joiners, marks of direction, fillers, variation selectors, tags. Python
# and PostgreSQL read the same pattern, as both compare names.
INVISIBLE = (
    r"[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164"
    r"\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]"
)
# Who acts in the logs of orders and money without being a user. Rows of the last release name the actor alone.
_ACTORS = {"系统", "迁入", "恢复备份", "对账", "对账单", "主动查询", "人工查询", "关单前查询", "发起支付时查询", "补记"}
_ACTOR_STARTS = ("微信支付", "微信通知", "微信应答")
# Some of their letters cannot be told apart, such as a Latin and a Cyrillic a.
_ALPHABETS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE"}


def folded(username: str) -> str:
    """Return the name without what a reader overlooks: form (NFKC), invisible characters, blanks at its ends, case."""
    return re.sub(INVISIBLE, "", unicodedata.normalize("NFKC", username)).strip(" ").lower()


def is_system(name: str) -> bool:
    """Tell whether the name, however it is written, is that of an actor who is no user."""
    name = folded(name)
    return name in _ACTORS or name.startswith(_ACTOR_STARTS)


def _is_reserved(username: str) -> bool:
    """Tell whether no user may take the name: unseen, the system's, or of two alphabets and so like another one."""
    name = folded(username)
    alphabets = {unicodedata.name(letter, "").partition(" ")[0] for letter in name} & _ALPHABETS
    return is_system(username) or name in ("", "root") or len(alphabets) > 1


FOLDED = f"lower(btrim(regexp_replace(normalize({{}}, NFKC), '{INVISIBLE}', '', 'g')))"  # the same in SQL


class Folded(Func):
    """The expression of the index ``user_folded_name``."""

    template = FOLDED.format("%(expressions)s")
    output_field = TextField()


# Called with numbers; returns the students who have them: number, key of the account (None: no account), name.
NumberOwners = Callable[[Iterable[str]], Iterable[tuple[str, int | None, str]]]
number_owners = Register[NumberOwners]("whose a student's number is")

# A unique index over the folded names is not possible, because an installation may have pairs such as aud1 and AUD1.
# So of two transactions that choose equal names, the second waits here until the first has ended.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('username ' || name, 0)) FROM unnest(%s::text[]) AS name"
_TAKEN = f"""
SELECT name FROM unnest(%s::text[]) AS name
WHERE EXISTS (SELECT FROM accounts_user WHERE {FOLDED.format("username")} = {FOLDED.format("name")} AND id <> %s)
"""  # noqa: S608  (the pattern is a constant)


def username_claim(username: str, *, person: str, user_pk: int = 0) -> None:
    """Check that a user may be called so; see ``usernames_refused``.

    :raises UsernameTaken: the name is another user's or student's, or the system's.
    """
    if usernames_refused({username: person}, user_pk=user_pk):
        raise UsernameTaken


def usernames_refused(people: Mapping[str, str], *, user_pk: int = 0) -> list[str]:
    """Return the user names that may not be taken, in order. No other transaction can take the rest before this ends.

    :param people: user names, each with the name of the person, by which a student without an account is known;
        "" where the user chooses the name, and so could pretend to be another student.
    :param user_pk: the user who changes the name.
    """
    names = list(people)
    _names_lock(names)
    with connection.cursor() as cursor:
        cursor.execute(_TAKEN, [names, user_pk])
        refused = {name for (name,) in cursor.fetchall()} | {name for name in names if _is_reserved(name)}
    spellings = {spelling: name for name in names for spelling in (name, folded(name), folded(name).upper())}
    for number, account_pk, student in number_owners()(spellings):
        name = spellings[number]
        if (account_pk != user_pk) if account_pk else (student != people[name]):
            refused.add(name)
    return sorted(refused)


def _names_lock(names: list[str]) -> None:
    with connection.cursor() as cursor:
        # In one order everywhere: two lists of a class would otherwise wait for each other.
        cursor.execute(_LOCK, [sorted({folded(name) for name in names})])
