"""Whom the rows of a list mean: by number, identity card, phone, or name and class; a name alone is only a question."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.db.models import Q

from permissions.scope import Scope
from students.columns import hidden_fields
from students.models import Student, TransferRun
from students.run_facts import NEW, Findings
from students.transfer.heading import UNSTORABLE, Heading

T = TypeVar("T")
MAX_CANDIDATES = 20
MAX_SHARERS = 3  # a phone that more students have does not say whose it is
BATCH = 1_000
BY_NAME = "姓名和班级"
AGE_DIFFERS = 1  # years by which a person of one name may differ between two lists


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


def student_label(student: "Student | Person") -> str:
    return f"{student.name} · {student.class_name} · {student.sid}"


class Person(NamedTuple):
    """What tells a student from others."""

    pk: int
    sid: str
    name: str
    class_name: str
    phone: str
    id_card: str
    age: int
    gender: str


class Match(NamedTuple):
    """Whom a row means for certain, and by what mark; or else whom it may mean."""

    person: Person | None = None
    by: str = ""
    candidates: tuple[Person, ...] = ()
    has_namesake: bool = False  # in the class
    has_nearest: bool = False  # the first of the candidates stands out


NOBODY = Match()


class People:
    """The students whom the rows of a list may mean, read in a few passes over the table."""

    def __init__(self, rows: Iterable[Mapping[str, str]], scope: Scope, unseen: Collection[str] = ()) -> None:
        """Look for the students in ``scope``, but not by the fields ``unseen``: a match would tell what they hold."""
        self._by: dict[str, dict[str, list[Person]]] = {key: defaultdict(list) for key in _KEYS}
        self._unseen = {_KEYS.get(field) for field in unseen}
        people: set[Person] = set()
        # The index of names holds runs of characters, not names: one pass over the table serves a whole batch.
        for batch in batches(map(self._seen, rows)):
            texts = {field: {_key(field, row) for row in batch} - {""} for field in _KEYS}
            # Names that trainees have invented would make a question of every second row.
            named = scope.school.visible(of=Student) & Q(name__in=texts.pop("name"))
            numbered = Q(*((f"{field}__in", some) for field, some in texts.items()), _connector=Q.OR)
            found = Student.objects.filter(named | scope.visible(of=Student) & numbered).order_by()
            people |= {Person(*row) for row in found.values_list("pk", *Person._fields[1:])}
        for person in sorted(people):
            for field in _KEYS:
                self._by[field][getattr(person, field)].append(person)

    def _of(self, field: str, cells: Mapping[str, str]) -> list[Person]:
        text = _key(field, cells)
        return self._by[field].get(text, []) if text else []

    def _seen(self, cells: Mapping[str, str]) -> dict[str, str]:
        return {wire: text for wire, text in cells.items() if wire not in self._unseen}

    def match(self, cells: Mapping[str, str]) -> Match:
        """Tell whom a row means."""
        cells = self._seen(cells)
        if "sId" in cells:
            return Match(next(iter(self._of("sid", cells)), None), "学号")
        if len(same := self._of("id_card", cells)) == 1:
            return Match(same[0], "身份证")
        by_phone, namesakes = self._of("phone", cells), self._of("name", cells)
        if len(same := [person for person in by_phone if person in namesakes]) == 1:
            return Match(same[0], "电话")
        has_namesake = any(person.class_name == cells.get("class") for person in namesakes)
        namesakes = [person for person in namesakes if not _is_another(person.id_card, cells.get("idCard", ""))]
        classmates = [person for person in namesakes if person.class_name == cells.get("class")]
        if len(classmates) == 1:
            return Match(classmates[0], BY_NAME)
        others = [person for person in namesakes if not _differs(person, cells)]
        sharers = by_phone if len(by_phone) <= MAX_SHARERS else []
        return Match(None, "", tuple(dict.fromkeys([*classmates, *sharers, *others]))[:MAX_CANDIDATES], has_namesake)


@dataclass
class Line:
    """A row of the file: where it stands, its cells by the API's names, its picture, and whom it means."""

    heading: Heading
    number: int
    cells: dict[str, str]
    picture: str
    match: Match = NOBODY
    double_of: int | None = None  # the student whom another line means as well
    question: str = ""  # why a person has to say whom it means


def lines_match(
    lines: Sequence[Line], answers: Mapping[str, str], findings: Findings, scope: Scope, unseen: set[str]
) -> None:
    """Say of each line whom it means, or why a person has to say so. Two lines never mean one student."""
    people = People([line.cells for line in lines], scope, unseen)
    for line in lines:
        line.match = _answered(people.match(line.cells), answers.get(str(line.number), ""))
    firsts: dict[int, Line] = {}  # of the lines of each student, the one that changes it
    # A namesake higher up must not take the place of one who is known by number, card or phone.
    for line in sorted(lines, key=lambda line: line.match.by == BY_NAME):
        if line.match.person:
            firsts.setdefault(line.match.person.pk, line)
    classes = {line.cells.get("class") for line in lines}
    newcomers: dict[Any, Line] = {}  # the first line of each name and class of a new student
    for line in lines:
        _double_find(line, firsts)
        line.match = _rest_sorted(line.match, firsts, classes)
        question = _question(line, firsts, newcomers, findings)
        line.question = "" if answers.get(str(line.number)) == NEW else question


def _answered(match: Match, answer: str) -> Match:
    """Return the candidate whom a person has chosen, or else the match as it is."""
    chosen = [person for person in match.candidates if str(person.pk) == answer]
    return Match(chosen[0], "您的选择") if chosen else match


def _double_find(line: Line, firsts: Mapping[int, Line]) -> None:
    """Let a line mean nobody if another line means the same student, and means it better or stands above."""
    person = line.match.person
    if person and firsts[person.pk] is not line:
        line.match, line.double_of = Match(has_namesake=True), person.pk


def _rest_sorted(match: Match, firsts: Mapping[int, Line], classes: Collection[str | None]) -> Match:
    """Leave out the candidates who have a line of their own. Those of the classes of the list come first."""
    candidates = [person for person in match.candidates if person.pk not in firsts]
    nearest = [person for person in candidates if person.class_name in classes] or candidates
    others = [person for person in candidates if person not in nearest]
    return match._replace(candidates=(*nearest, *others), has_nearest=len(nearest) == 1)


def _question(line: Line, firsts: Mapping[int, Line], newcomers: dict[Any, Line], findings: Findings) -> str:
    """Say why a person has to say whom the line means; "" if that is clear."""
    if line.double_of:
        return f"与{findings.place_of(firsts[line.double_of].number)}是同一名学员"
    if line.match.candidates:
        return "可能是已有的学员，请选择"
    if line.match.person or "sId" in line.cells:
        return ""
    first = newcomers.setdefault((line.cells.get("name"), line.cells.get("class")), line)
    return "" if first is line else f"与{findings.place_of(first.number)}同名同班"


def unseen_by(run: TransferRun) -> set[str]:
    """Name the fields whose present values are not compared: whoever has sent the file in may be guessing at them."""
    user: Any = run.created_by
    return hidden_fields(user) if user else set()


_KEYS = {"sid": "sId", "id_card": "idCard", "phone": "phone", "name": "name"}


def _key(field: str, cells: Mapping[str, str]) -> str:
    text = cells.get(_KEYS[field], "")
    if UNSTORABLE.search(text):
        return ""
    return text.upper() if field == "id_card" else text


def _is_another(before: str, after: str) -> bool:
    return bool(before and after and before.upper() != after.upper())


def _differs(person: Person, cells: Mapping[str, str]) -> bool:
    """Tell whether a namesake in another class is someone else, as far as the two have the same columns."""
    age = cells.get("age", "")
    return (
        _is_another(person.phone, _key("phone", cells))
        or _is_another(person.gender, cells.get("gender", ""))
        or (age.isdecimal() and abs(int(age) - person.age) > AGE_DIFFERS)
    )
