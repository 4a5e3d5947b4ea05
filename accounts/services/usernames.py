"""Decide who may take a user name: names that look equal are one, and a student's number is for that student alone.

Names that exist stay as they are, and log in as they are written.
"""

from collections.abc import Mapping

from django.db import connection

from accounts.errors import UsernameTaken
from accounts.usernames import FOLDED, folded, is_reserved, number_owners

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
