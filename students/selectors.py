"""Questions about students.

A list is one page of students, newest first, with the exact number of all that it is a page of; both come from one
statement, so from one moment. The number of matches of a text is kept (``students.counts``); by it the
statement decides between two ways to find the newest of them:

- *scan*: go through all students, newest first, until the page is full. Cheap when many match.
- *fetch*: ask the index for all that match, and sort. Cheap when few match.

PostgreSQL would have to guess, and is wrong by a factor of 100 either way (figures: docs/performance.md).
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Q, QuerySet

from core.db.reading import prepared_rows
from permissions.scope import EVERYTHING, Scope, practised
from students.columns import COLUMNS, PHONES, model_field, phone_tidy
from students.counts import ALL, MAX_GRAM, class_counts, class_key, name_keys, student_count
from students.errors import StudentUnknown
from students.models import (
    LEFT_STATES,
    ArchivedStudent,
    ClassState,
    SchoolClass,
    Student,
    StudentRow,
    StudentState,
)

NAMESAKES_SHOWN = 3
VALUES_SHOWN = 300
MAX_WORDS = 4  # of a search of which each may stand for something else
_NUMBER_START = re.compile(r"[A-Za-z]{2,4}[0-9]{0,8}")  # shorter ones would find half the school
_LAST_FOUR = re.compile(r"[0-9]{3}[0-9Xx]")
MAX_NAME_LENGTH = Student._meta.get_field("name").max_length or 0
MAX_FETCHED = 1_000  # matches; if there are more, scan

_ALL = "SELECT id FROM students_student"
_CLASS = "SELECT id FROM students_student WHERE class_name = %(class_name)s"
_SCAN = "SELECT id FROM students_student WHERE strpos(name, %(text)s) > 0"
_MATCHES = "SELECT id FROM students_student WHERE students_keys(id, class_name, name) @> %(keys)s::text[]"
# OFFSET 0 keeps PostgreSQL from turning a fetch into a scan.
_FETCH = f"SELECT id FROM ({_MATCHES} OFFSET 0) AS hit"  # noqa: S608  (a constant)
# Longer texts, and a class with a text, have no count: fetch all that the keys match, check the names, and count.
_SIFT = f"WITH hit AS MATERIALIZED ({_MATCHES} AND strpos(name, %(text)s) > 0)"
_COUNTED = "SELECT coalesce(sum(n), 0)::bigint AS total FROM students_tally WHERE key = %(counted)s"


class StudentPage(NamedTuple):
    """Some students, newest first, and how many there are of their kind."""

    total: int
    rows: list[StudentRow]


def student_page(window: slice, *, class_name: str = "", key: str = "", scope: Scope = EVERYTHING) -> StudentPage:
    """List students: of one class, or with ``key`` somewhere in the name, or both.

    :param window: which of them, as ``core.api.params.page_slice`` makes it.
    :param key: plain text; upper and lower case differ.
    """
    if scope.is_narrow:
        return _narrow_page(window, scope, class_name, key)
    if key:
        return _search(window, key, class_name)
    if class_name:
        return _page_read(_newest(_CLASS, window), class_name=class_name, counted=class_key(class_name))
    return _page_read(_newest(_ALL, window), counted=ALL)


class ClassSpelling:
    """One spelling for each class, however staff types it: ``h51901 `` is H51901. The API takes a class as it is sent.

    The classes that exist or are planned, as far as ``scope`` shows them, are read at the first question.
    """

    def __init__(self, scope: Scope = EVERYTHING) -> None:
        self._scope = scope

    def of(self, text: str) -> str:
        """Return the spelling of the class that exists already, or else the text in capitals and without blanks around.

        Where a client has made a class of another spelling, the larger one counts.
        """
        tidy = folded(text)
        return self._names_by_fold.get(tidy, tidy)

    @cached_property
    def _names_by_fold(self) -> dict[str, str]:
        sizes = classes_known(self._scope)
        return {folded(name): name for name in sorted(sizes, key=lambda name: sizes[name])}


def folded(text: str) -> str:
    """Return the one spelling of a name: in capitals, without blanks around, in the usual letters and digits."""
    # NFKC turns the full-width letters of a Chinese keyboard into the usual ones.
    return " ".join(unicodedata.normalize("NFKC", text).upper().split())


def search_q(text: str, unseen: Collection[str] = ()) -> Q:
    """Match students whose number begins with the text, whose class it names, or who have it in their name.

    Of several words each may be found in another way. Each way has an index; joined by OR, PostgreSQL would use none
    of them and read every student.

    :param unseen: fields that who searches may read only in part.
    """
    spelling = ClassSpelling()
    first, *others = _ways(text, spelling, unseen)
    words = text.split()
    if 1 < len(words) <= MAX_WORDS:
        every = Student.objects.order_by()
        for word in words:
            way, *more = _ways(word, spelling, unseen)
            found = Q(pk__in=way.union(*more))
            every = every.filter(found | _ends_q(word))
        others.append(every.values("pk"))
    return Q(pk__in=first.union(*others))


def _ways(text: str, spelling: ClassSpelling, unseen: Collection[str]) -> list[QuerySet[Student, Any]]:
    students = Student.objects.order_by()
    ways = [
        _name_holds(text),
        students.filter(value_matches(text, unseen)),
        students.filter(class_name=spelling.of(text)),
    ]
    return [rows.values("pk") for rows in ways]


def _ends_q(word: str) -> Q:
    """Match the ends of numbers, which are enough beside another word: people say the last four digits.

    Of a phone and an identity card exactly these, which everybody may read; by more of them one could guess the rest.
    """
    fields = ["sid"] if word.isdecimal() else []
    fields += [*PHONES, "id_card"] if _LAST_FOUR.fullmatch(word) else []
    return Q(*((f"{field}__endswith", word.upper()) for field in fields), _connector=Q.OR)


def value_matches(text: str, unseen: Collection[str] = ()) -> Q:
    """Match students one of whose searched columns (``students.columns``) is ``text``, also written in capitals.

    Of the student's number the beginning is enough. A whole phone among the fields ``unseen`` stands for its last four
    digits, because by trying whole ones one could find out the rest.
    """
    fields = [one.field for one in COLUMNS if one.is_searched and len(text) <= (model_field(one.field).max_length or 0)]
    phone = phone_tidy(text)
    spellings = {text, text.upper(), phone}
    ways = [Q(**{f"{field}__in": spellings}) for field in fields if field not in unseen]
    if re.fullmatch("1[0-9]{10}", phone):
        ways += [Q(**{f"{field}__endswith": phone[-4:]}) for field in fields if field in unseen]
    whole = Q(*ways, _connector=Q.OR) if ways else Q(pk__in=[])
    if not _NUMBER_START.fullmatch(text):
        return whole
    start = text.upper()
    # The range leads PostgreSQL to the index of numbers, whatever its collation; LIKE alone may not.
    return whole | Q(sid__gte=start, sid__lte=start + "z" * 12, sid__startswith=start)


def values_in_use(column: str, *, limit: int = VALUES_SHOWN, scope: Scope = EVERYTHING) -> list[str]:
    """Return the values that a column with an index has, in order: DISTINCT would read every student."""
    if scope.is_narrow:
        return list(_narrow(scope).order_by(column).values_list(column, flat=True).distinct()[:limit])
    field = connection.ops.quote_name(str(model_field(column).column))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE each AS (
                (SELECT {field} AS v FROM students_student ORDER BY {field} LIMIT 1)
                UNION ALL
                SELECT (SELECT {field} FROM students_student WHERE {field} > each.v ORDER BY {field} LIMIT 1)
                FROM each WHERE each.v IS NOT NULL
            )
            SELECT v FROM each WHERE v IS NOT NULL LIMIT %s
            """,  # noqa: S608  (the name of our own column)
            [limit],
        )
        return [value for (value,) in cursor.fetchall()]


def class_list(scope: Scope = EVERYTHING) -> list[str]:
    """Name the classes that have students, each once, in order."""
    return [name for name, _ in classes_counted(scope)]


def classes_known(scope: Scope = EVERYTHING) -> dict[str, int]:
    """Return the classes that have students or are still open, each with its number of students."""
    planned = SchoolClass.objects.filter(state=ClassState.OPEN).order_by()
    planned = planned.filter(name__in=scope.classes) if scope.is_narrow else planned
    return dict.fromkeys(planned.values_list("name", flat=True), 0) | dict(classes_counted(scope))


def classes_counted(scope: Scope = EVERYTHING) -> list[tuple[str, int]]:
    """Return the classes in which ``scope`` shows students, in order, each with how many it shows."""
    if scope.is_narrow:
        return list(_narrow(scope).order_by("class_name").values_list("class_name").annotate(Count("pk")))
    others = _by_class(Student.objects.filter(practised())) if scope.is_school else {}
    return [(name, number - others.get(name, 0)) for name, number in class_counts() if number > others.get(name, 0)]


def _by_class(students: QuerySet[Student]) -> dict[str, int]:
    return dict(students.order_by().values_list("class_name").annotate(Count("pk")))


def classes_present(scope: Scope = EVERYTHING) -> dict[str, int]:
    """Count the school's students in each class who have not left it (退学, 结业). Trainees' calls count all."""
    scope = scope.school
    numbers = _by_class(Student.objects.filter(scope.visible(of=Student), state__in=LEFT_STATES))
    return {name: number - numbers.get(name, 0) for name, number in classes_counted(scope)}


def students_total(class_name: str = "", *, scope: Scope = EVERYTHING) -> int:
    """Count the students that ``scope`` shows, or those of one class."""
    if scope.is_narrow:
        return _narrow(scope, class_name).count()
    others = Student.objects.filter(practised(), **({"class_name": class_name} if class_name else {}))
    return student_count(class_name) - (others.count() if scope.is_school else 0)


PRACTICE_URL, PRACTICE_TEXT = "https://example.com/projects/1", "每天进步一点点"
PRACTICE = Q(product_url=PRACTICE_URL, description=PRACTICE_TEXT)  # a practice student that nobody has altered much


def students_entered(user_pks: Iterable[int], *, has_practice: bool = False) -> QuerySet[Student]:
    """Return the students whom the users have entered, practice students among them only if that is asked."""
    students = Student.objects.filter(created_by__in=list(user_pks)).order_by("pk")
    return students if has_practice else students.exclude(PRACTICE)


def students_entered_counts(user_pks: Iterable[int]) -> dict[int, int]:
    """Return how many students each of the users has entered, by the user's key; practice students do not count."""
    return dict(students_entered(user_pks).order_by().values_list("created_by").annotate(Count("pk")))


def class_roster(class_name: str, scope: Scope = EVERYTHING, *, only_studying: bool = False) -> QuerySet[Student]:
    """Return the students of a class, in the order they were entered; ``only_studying``: without 休学, 退学, 结业."""
    students = Student.objects.filter(scope.visible(of=Student), class_name=class_name).order_by("pk")
    return students.filter(state=StudentState.STUDYING) if only_studying else students


def number_owners(numbers: Iterable[str]) -> list[tuple[str, int | None, str]]:
    """Return the students, and archived ones, with these numbers: number, key of the account, name."""
    tables = (model.objects.filter(sid__in=list(numbers)) for model in (Student, ArchivedStudent))
    return [row for table in tables for row in table.values_list("sid", "account_id", "name")]


def student_of_account(user_pk: int | None) -> Student | None:
    """Return the student whose account this user is; none who is archived."""
    return Student.objects.filter(account=user_pk).first() if user_pk else None


def archived_among(field: str, values: Iterable[Any], *, scope: Scope) -> set[Any]:
    """Return those of the values that archived students whom ``scope`` lets bring back have in a field."""
    archive = ArchivedStudent.objects.filter(scope.changeable(of=ArchivedStudent), **{f"{field}__in": list(values)})
    return set(archive.order_by().values_list(field, flat=True))


def namesakes(*, name: str, class_name: str, except_pk: int | None = None) -> list[Student]:
    """Return the students of a class with exactly this name, quickly in a class of any size."""
    same = _name_holds(name, class_key(class_name)).filter(name=name, class_name=class_name)
    return list((same.exclude(pk=except_pk) if except_pk else same).order_by("-pk")[:NAMESAKES_SHOWN])


def student_get(sid: str, scope: Scope = EVERYTHING) -> Student:
    """Find the student of a number.

    :raises StudentUnknown: no student has it, or none whom ``scope`` shows.
    """
    student = Student.objects.filter(scope.visible(of=Student), sid=sid).first()
    if student is None:
        raise StudentUnknown
    return student


def _name_holds(text: str, *keys: str) -> QuerySet[Student]:
    """Return the students who have the text in their name and all the keys, by the index of keys."""
    students = Student.objects.order_by().extra(
        where=["students_keys(id, class_name, name) @> %s::text[]"], params=[[*name_keys(text), *keys]]
    )
    return students.filter(name__contains=text)


def _narrow(scope: Scope, class_name: str = "") -> QuerySet[Student]:
    """Return what a narrow scope shows, newest first: some hundreds, so it is counted when a page asks."""
    students = Student.objects.filter(scope.visible(of=Student)).order_by("-pk")
    return students.filter(class_name=class_name) if class_name else students


def _narrow_page(window: slice, scope: Scope, class_name: str, key: str) -> StudentPage:
    students = _narrow(scope, class_name).filter(name__contains=key)
    rows = students.values_list(*StudentRow._fields)[window]
    return StudentPage(students.count(), [StudentRow._make(row) for row in rows])


def _search(window: slice, text: str, class_name: str) -> StudentPage:
    if len(text) > MAX_NAME_LENGTH:
        return StudentPage(0, [])
    if len(text) > MAX_GRAM or class_name:
        return _search_sifted(window, text, class_name)
    return _search_counted(window, text)


def _search_counted(window: slice, text: str) -> StudentPage:
    """Find a text whose matches are counted already: by the count the statement decides between scan and fetch."""
    keys = name_keys(text)
    # PostgreSQL runs only the branch that it takes.
    hits = f"""CASE WHEN total <= {window.start} THEN '{{}}'
    WHEN total > {MAX_FETCHED} THEN {_newest(_SCAN, window)} ELSE {_newest(_FETCH, window)} END"""
    return _page_read(hits, keys=keys, text=text, counted=keys[0])


def _search_sifted(window: slice, text: str, class_name: str) -> StudentPage:
    """Find a text that has no count, because it is long or of one class: fetch, check and count all matches."""
    keys = name_keys(text) + ([class_key(class_name)] if class_name else [])
    hits = _newest("SELECT id FROM hit", window)
    return _page_read(hits, total="SELECT count(*) AS total FROM hit", before=_SIFT, keys=keys, text=text)


def _newest(ids: str, window: slice) -> str:
    """Write an array of those ids of the query ``ids`` that lie in ``window``, newest first.

    Page and size stand in the statement itself: with parameters in their place PostgreSQL would plan it anew each time.
    """
    return f"ARRAY({ids} ORDER BY id DESC LIMIT {window.stop - window.start} OFFSET {window.start})"


def _page_read(ids: str, *, total: str = _COUNTED, before: str = "", **params: Any) -> StudentPage:
    """Read some students, and how many there are in all, in one statement.

    :param ids: writes an array of their ids, which come from an index alone; only the page's own rows are read.
    :param total: the query of the number.
    :param before: a WITH for both.
    """
    # The students stand before the tally, because a TRUNCATE locks them in this order too. Two that lock in the
    # same order never wait for each other in a circle.
    sql = f"""
    {before} SELECT {", ".join(StudentRow._fields)}, total
    FROM students_student RIGHT JOIN ({total}) AS counted
    ON id = ANY ({ids})
    ORDER BY id DESC
    """  # noqa: S608  (made of constants and numbers)
    rows = prepared_rows(sql, params)
    # An empty page is one row that holds the total alone.
    return StudentPage(rows[0][-1], [StudentRow._make(row[:-1]) for row in rows if row[0] is not None])
