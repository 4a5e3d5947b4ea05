"""The list and the form of students in the back office."""

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from students.admin import StudentAdmin
from students.columns import BY_WIRE
from students.models import Student
from students.tests import factories
from students.tests.factories import student, students
from students.tests.transfers import LIST, csv_rows
from tests.kit import encoded, posted, save_page
from uploads.models import ImageUse

pytestmark = pytest.mark.django_db

FIELDS = {BY_WIRE[wire].field: value for wire, value in factories.FIELDS.items()}


def shown(office, **query):
    page = office.get(LIST, query).context["cl"]
    return [row.name for row in page.result_list], page.result_count


def added(office, **fields):
    return office.post(f"{LIST}add/", FIELDS | fields)


def edited(office, row, **fields):
    return save_page(office, f"{LIST}{row.pk}/change/", **fields)


def form_errors(page):
    return set(page.context["adminform"].form.errors)


# --- The list ---
def test_lists_the_newest_first_by_class_and_by_what_is_searched(office):
    students("谭鹏", "王谭", class_name="H1")
    student(name="韩梅梅", sid="WWLN97178546", class_name="H2").save()

    assert shown(office) == (["韩梅梅", "王谭", "谭鹏"], 3)
    assert shown(office, **{"class": "H1"}) == shown(office, q="谭") == (["王谭", "谭鹏"], 2)
    for text in ("wwln97178546", "WWLN97", "wwln9", "h2 "):  # the whole value of a searched column, or a class
        assert shown(office, q=text) == (["韩梅梅"], 1)
    Student.objects.filter(name="王谭").update(phone="13800000001", id_card="11010519491231002X")
    for number, names in {"0001": ["王谭"], "002x": ["王谭"], "8546": [], "00001": [], "1002X": []}.items():
        assert shown(office, q=f"谭 {number}")[0] == names, number  # by four characters, which everybody may read
    assert shown(office, q="梅 78546") == (["韩梅梅"], 1)
    assert shown(office, q="谭", city="重庆") == (["王谭", "谭鹏"], 2)
    assert shown(office, q="谭", city="北京") == shown(office, q="谭", **{"class": "H2"}) == ([], 0)
    month = {"created_at__gte": "2026-11-01T00:00:00+08:00", "created_at__lt": "2026-12-01T00:00:00+08:00"}
    assert "只显示 2026-11-01 起一段时间内新增的学员" in office.get(LIST, month).content.decode()
    assert "只显示" not in office.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"city": "南京"}, ["丙"]),
        ({"degree": "本科", "class": "H1"}, ["乙"]),
        ({"age_from": "20", "age_to": "21"}, ["乙", "甲"]),
        ({"since": "2026-03-01", "until": "2026-03-01"}, ["乙"]),
        ({"age_from": "x", "since": "2026-13-01", "until": "9999-12-31"}, ["丙", "乙", "甲"]),
        ({"age_to": "1" * 5000, "city": "南京\x00"}, ["丙"]),
    ],
)
def test_filters_stand_above_the_table_with_chips_to_take_them_off(office, query, names):
    for name, day, fields in (
        ("甲", "2026-02-01", {"age": 20}),
        ("乙", "2026-03-01", {"age": 21, "degree": "本科"}),
        ("丙", "2026-04-01", {"age": 30, "city": "南京"}),
    ):
        at = timezone.make_aware(datetime.fromisoformat(f"{day} 23:30"))
        student(name=name, class_name="H1", created_at=at, **fields).save()

    page = office.get(LIST, query)

    assert sorted(row.name for row in page.context["cl"].result_list) == sorted(names)
    chips = page.context["chips"]
    for label, address in chips:
        assert label in page.content.decode()
        assert len(office.get(LIST + address).context["chips"]) == len(chips) - 1
    if "\x00" in query.get("city", ""):
        return  # the export refuses a range that no user can mean
    export = csv_rows(office.get(f"{LIST}export/?format=csv&{page.context['export_query']}"))
    assert sorted(row["姓名"] for row in export) == sorted(names)


PINYIN = ["Ann", "安琪", "李彬", "李雷", "王芳", "张三", "龘龘"]  # as Chinese readers expect


@pytest.mark.parametrize(("column", "index"), [("age", "student_of_age"), ("name", "student_of_name")])
def test_sorts_by_a_column_both_ways_along_its_index(office, column, index):
    for at, name in enumerate(PINYIN):
        student(name=name, age=20 + at).save()
    at = StudentAdmin.list_display.index(column) + 1

    for order, names in ((str(at), PINYIN), (f"-{at}", PINYIN[::-1])):
        assert shown(office, o=order)[0] == names
        queryset = office.get(LIST, {"o": order}).context["cl"].queryset[:50]
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        assert index in queryset.explain()


def test_never_counts_the_table(office, monkeypatch):
    monkeypatch.setattr(StudentAdmin, "list_per_page", 2)
    made = students(*(f"谭鹏{number}" for number in range(7)))
    read = []

    with CaptureQueriesContext(connection) as sql:
        for number in range(1, 5):
            read += [one.pk for one in office.get(f"{LIST}?p={number}").context_data["cl"].result_list]
        shown(office, p="1", **{"class": "H51901"})

    assert read == sorted((one.pk for one in made), reverse=True)
    queries = " ".join(query["sql"] for query in sql)
    assert "COUNT(*)" not in queries and "DISTINCT" not in queries and len(sql) <= 5 * 13


# --- The form ---
def test_adds_and_edits_like_the_api_and_removes_a_photo(office):
    added(office, picture=posted(encoded()), product_url="", description="")  # the API wants these two
    new = Student.objects.get()
    assert new.headimgurl.startswith("/media/") and ImageUse.objects.get().owner == new.owner_ref

    page = office.get(f"{LIST}{new.pk}/change/").content.decode()
    assert 'type="text" name="age"' in page  # a field for numbers refuses full-width digits
    edited(office, new, city="南京", sid="AAAA00000000", age="２２")
    now = Student.objects.get()
    assert (now.city, now.sid, now.headimgurl, now.age) == ("南京", new.sid, new.headimgurl, 22)
    assert edited(office, new, city="南京").status_code == 302
    edited(office, new, no_picture="on")

    assert Student.objects.get().headimgurl == "" and not ImageUse.objects.exists()
    assert "移除现在的头像" not in office.get(f"{LIST}{new.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("field", "value"), [("age", "200"), ("product_url", "javascript:alert(1)"), ("name", ""), ("picture", b"<script>")]
)
def test_refuses_what_the_api_refuses(office, field, value):
    page = added(office, **{field: posted(value) if field == "picture" else value})

    assert form_errors(page) == {field} and not Student.objects.exists()
    assert "姓名" in page.content.decode() and "学号" not in page.content.decode()  # there is no number yet


def test_a_class_is_written_as_it_is_already_or_new(office):
    row = students("谭鹏", class_name="web班")[0]
    for name, typed in (("甲", "h51901 "), ("乙", "Ｈ５１９０１"), ("丙", " WEB班")):
        added(office, name=name, class_name=typed)
    names = {"谭鹏": "web班", "甲": "H51901", "乙": "H51901", "丙": "web班"}
    assert dict(Student.objects.values_list("name", "class_name")) == names

    page = office.get(f"{LIST}{row.pk}/change/").content.decode()
    assert '<option value="web班" selected>' in page and "新建班级…" in page
    edited(office, row, class_name="__new__", class_name_new="h2")
    assert Student.objects.get(pk=row.pk).class_name == "H2"
    assert form_errors(edited(office, row, class_name="__new__", class_name_new="")) == {"class_name"}


def test_asks_whether_a_namesake_in_the_class_is_another_person(office):
    first = students("谭鹏", class_name="H51901")[0]
    students("谭鹏", class_name="H2")

    page = added(office).content.decode()
    assert "H51901 班已有同名学员" in page and first.sid in page and Student.objects.count() == 2
    added(office, namesake="1")

    assert Student.objects.filter(class_name="H51901", name="谭鹏").count() == 2
    assert edited(office, first, city="南京").status_code == 302  # no news


def test_a_history_has_as_many_pages_as_it_has_steps(office):
    row = students(*["谭鹏"] * 101)[0]  # a page of a history has room for 100
    edited(office, row, city="北京")

    page = office.get(f"{LIST}{row.pk}/history/")

    assert "北京" in page.content.decode() and page.context["action_list"].paginator.count == 1
