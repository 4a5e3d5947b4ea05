"""Whatever way a page is found, it holds what going through all students by hand gives."""

from itertools import pairwise
from random import Random

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from students import selectors
from students.counts import class_key
from students.models import Student
from students.selectors import class_list, student_page
from students.tests.factories import student, students

pytestmark = pytest.mark.django_db

PEOPLE = 300


@pytest.fixture
def people():
    """Students of all kinds of names, with holes between their ids."""
    random = Random(7)
    letters = "谭鹏王芳aAbn %_\\.*👩"
    people = [
        student(
            id=number * 997,
            name="".join(random.choices(letters, k=random.randint(1, 5))),
            class_name=random.choice(["H1", "H2"]),
        )
        for number in range(1, PEOPLE)
    ]
    Student.objects.bulk_create(people)
    Student.objects.filter(id__range=(50_000, 90_000)).delete()


def by_hand(text, class_name=""):
    people = Student.objects.order_by("-pk").values_list("pk", "name", "class_name")
    return [pk for pk, name, belongs in people if text in name and class_name in ("", belongs)]


def ids(page):
    return [row.id for row in page.rows]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(("max_fetched", "way"), [(0, "scan"), (10_000, "fetch")])
def test_whether_it_scans_or_fetches_it_finds_the_same(monkeypatch, max_fetched, way):
    monkeypatch.setattr(selectors, "MAX_FETCHED", max_fetched)
    mark = {"scan": "strpos", "fetch": "@>"}

    for text in ("谭", "a", "A", "谭鹏", "an", "王芳a", "👩", "%", "_", "\\", ".", "*", " ", "zz"):
        expected, calls = by_hand(text), []
        for start in (0, 7, 10_000):
            with connection.execute_wrapper(lambda execute, *call, calls=calls: calls.append(call) or execute(*call)):
                page = student_page(slice(start, start + 5), key=text)
            assert (page.total, ids(page)) == (len(expected), expected[start : start + 5]), text

        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE) {calls[0][0]}", calls[0][1])
            plan = [line for (line,) in cursor.fetchall()]
        steps = [line for before, line in pairwise(plan) if "never executed" not in before]
        found = [name for name in mark if any(mark[name] in line for line in steps)]
        assert found == ([way] if expected else []), text


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("class_name", ["", "H2"])
def test_each_page_of_a_text_and_a_class_begins_where_it_should(class_name):
    for text in ("", "谭", "an", "谭鹏王芳", "aAbn", "an %", "谭谭谭谭", "x" * 64, "x" * 65):
        student(name=f"1{text[:62]}1"[:64], class_name="H2").save()
        expected = by_hand(text, class_name)

        for start in (*range(0, len(expected) + 15, 13), 10_000):
            page = student_page(slice(start, start + 10), key=text, class_name=class_name)
            assert (page.total, ids(page)) == (len(expected), expected[start : start + 10]), text


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@given(st.lists(NAMES, min_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_python_and_the_database_make_the_same_keys(db, names):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, students_keys(5000, 'H1', name) FROM unnest(%s::text[]) AS name", [names])
        keys = cursor.fetchall()

    for name, made in keys:
        grams = {"n" + name[at : at + size] for size in (1, 2, 3) for at in range(len(name) - size + 1)}
        assert set(made) == grams | {class_key("H1")}
        assert len(made) == len(set(made))


def test_an_odd_class_name_does_not_confuse_the_keys():
    for name in ("*", "b0000000000000000", "n谭", "", "H1"):
        student(class_name=name).save()

    assert class_list() == ["", "*", "H1", "b0000000000000000", "n谭"]
    assert student_page(slice(0, 10), class_name="*").total == 1
    assert student_page(slice(0, 10)).total == 5


@pytest.mark.parametrize(
    "query",
    [{}, {"page": 900}, {"class": "H51901"}, {"key": "谭"}, {"key": "谭鹏王芳"},
     {"key": "谭", "class": "H51901"}, {"key": "无"}, {"page": 7, "key": "谭", "class": "H51901"}],
)  # fmt: skip
def test_a_list_takes_one_query_beside_who_calls(yuangong, django_assert_num_queries, query):
    students("谭鹏王芳", *["谭鹏"] * 20)
    yuangong.get("/students/getstulist")  # the role is known from now on

    for path in ("getstulist", "searchstu") if "class" not in query else ("getstulist",):
        with django_assert_num_queries(2):
            assert yuangong.get(f"/students/{path}", count=10, **query).json()["state"] is True
    with django_assert_num_queries(2):
        yuangong.get("/students/getclasses")
