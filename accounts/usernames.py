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
# The actors in the logs of orders and money that are no users. Rows of 1.1.0 name the actor alone.
_ACTORS = {"系统", "迁入", "恢复备份", "对账", "对账单", "主动查询", "人工查询", "关单前查询", "发起支付时查询", "补记"}
_ACTOR_STARTS = ("微信支付", "微信通知", "微信应答")
# Letters of other alphabets cannot always be told apart, such as a Latin and a Cyrillic a. These go with any.
_EAST_ASIAN = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")
# Phonetic letters, other hyphens and other digits: beside ours they cannot be told from ours.
_NEAR_OURS = re.compile(
    r"[\u01C0-\u01C3\u0250-\u02AF\u1D00-\u1DBF\uA720-\uA7FF\uAB30-\uAB6F\u02D7\u2010-\u2013\u2043\u2212]|(?![0-9])\d"
)
# Greek, Cyrillic, Armenian, Cherokee, Coptic and Lisu letters of which a whole name may look like a Latin one.
_LIKE_LATIN = re.compile(
    r"[\u0391\u0392\u0395-\u0397\u0399\u039A\u039C\u039D\u039F\u03A1\u03A4\u03A5\u03A7\u03BD\u03BF"
    r"\u0405\u0406\u0408\u0410\u0412\u0415\u0417\u041A\u041C-\u041E\u0420-\u0423\u0425\u0430\u0431\u0435\u0437\u043E\u0440\u0441\u0443\u0445"
    r"\u0455\u0456\u0458\u0474\u0475\u04AE\u04AF\u04BA\u04BB\u04C0\u04CF\u0500\u0501\u051A-\u051D"
    r"\u053C\u054D\u054F\u0555\u0561\u0563\u0566\u0570\u0575\u0578\u057D\u0581\u0584\u0585"
    r"\u13A0-\u13FD\uAB70-\uABBF\u2C80-\u2CFF\uA4D0-\uA4FF]+"
)


def _form(username: str) -> str:
    return re.sub(INVISIBLE, "", unicodedata.normalize("NFKC", username)).strip(" ")


def folded(username: str) -> str:
    """Return the name without what a reader overlooks: form (NFKC), invisible characters, blanks at its ends, case."""
    return _form(username).lower()


def is_system(name: str) -> bool:
    """Tell whether the name, however it is written, is that of an actor who is no user."""
    name = folded(name)
    return name in _ACTORS or name.startswith(_ACTOR_STARTS)


def is_reserved(username: str) -> bool:
    """Tell whether no user may take the name: it is unseen, the system's, or looks like another one."""
    if is_system(username) or folded(username) in ("", "root") or _NEAR_OURS.search(_form(username)):
        return True
    named = {letter: unicodedata.name(letter, "") for letter in _form(username) if letter.isalpha()}
    letters = {letter: name for letter, name in named.items() if not name.startswith(_EAST_ASIAN)}
    alphabets = {name.partition(" ")[0] for name in letters.values()}
    return len(alphabets) > 1 or bool(_LIKE_LATIN.fullmatch("".join(letters)))


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
        refused = {name for (name,) in cursor.fetchall()} | {name for name in names if is_reserved(name)}
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
