import re
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from students import admin
from students.admin import StudentAdmin
from students.models import Student
from students.tests.factories import student, students
from tests.kit import encoded, posted, save_page
from uploads.models import ImageUse

pytestmark = pytest.mark.django_db

LIST = "/admin/students/student/"
FIELDS = {
    "class_name": "H51901",
    "name": "谭鹏",
    "age": "21",
    "city": "重庆",
    "degree": "专科",
    "product_url": "地址",
    "description": "hi",
}


def shown(office, **query):
    page = office.get(LIST, query).context["cl"]
    return [row.name for row in page.result_list], page.result_count


def test_lists_the_newest_first_and_by_class(office):
    students("谭鹏", "王芳", class_name="H1")
    students("李雷", class_name="H2")

    assert shown(office) == (["李雷", "王芳", "谭鹏"], 3)
    assert shown(office, **{"class": "H1"}) == (["王芳", "谭鹏"], 2)


def test_finds_by_any_part_of_the_name_or_by_the_whole_number(office):
    students("谭鹏", "王谭", "李雷", class_name="H1")
    student(name="韩梅梅", sid="WWLN97178546", class_name="H2").save()

    assert shown(office, q="谭") == (["王谭", "谭鹏"], 2)
    assert shown(office, q="wwln97178546") == (["韩梅梅"], 1)
    assert shown(office, q="WWLN97") == shown(office, q="wwln9") == (["韩梅梅"], 1)
    assert shown(office, q="h2 ") == (["韩梅梅"], 1)
    assert shown(office, q="谭", city="重庆") == (["王谭", "谭鹏"], 2)
    assert shown(office, q="谭", city="北京") == ([], 0)
    assert shown(office, q="谭", **{"class": "H2"}) == ([], 0)


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
        return  # the export refuses what nobody can mean
    exported = office.get(f"{LIST}export/?format=csv&{page.context['export_query']}")
    lines = exported.content.decode("utf-8-sig").splitlines()[1:]
    assert sorted(line.split(",")[2] for line in lines) == sorted(names)


def test_sorts_by_a_column_both_ways_along_its_index(office):
    for name, age in (("甲", 20), ("乙", 30), ("丙", 20)):
        student(name=name, age=age).save()
    column = str(StudentAdmin.list_display.index("age") + 1)

    assert shown(office, o=column)[0] == ["丙", "甲", "乙"]
    assert shown(office, o=f"-{column}")[0] == ["乙", "甲", "丙"]
    for order in (column, f"-{column}"):
        assert "student_of_age" in explained(office, o=order)


def explained(office, **query):
    """How PostgreSQL finds the page of a list, if it may not simply read everything."""
    ids = office.get(LIST, query).context["cl"].queryset[:50]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        return ids.explain()


def test_never_counts_the_table(office, django_assert_max_num_queries, django_capture_on_commit_callbacks):
    students(*["谭鹏"] * 3)

    with django_assert_max_num_queries(26) as queries:
        shown(office)
        shown(office, p="1", **{"class": "H51901"})

    asked = " ".join(query["sql"] for query in queries.captured_queries)
    assert "COUNT(*)" not in asked
    assert "DISTINCT" not in asked


def test_adds_and_edits_like_the_api(office):
    office.post(f"{LIST}add/", FIELDS | {"picture": posted(encoded())})
    added = Student.objects.get()
    assert added.headimgurl.startswith("/media/")
    assert ImageUse.objects.get().owner == added.owner_ref

    save_page(office, f"{LIST}{added.pk}/change/", city="南京", sid="AAAA00000000")
    edited = Student.objects.get()
    assert (edited.city, edited.sid, edited.headimgurl) == ("南京", added.sid, added.headimgurl)
    assert save_page(office, f"{LIST}{added.pk}/change/", city="南京").status_code == 302


@pytest.mark.parametrize(("field", "value"), [("age", "200"), ("product_url", "javascript:alert(1)"), ("name", "")])
def test_refuses_what_the_api_refuses(office, field, value):
    page = office.post(f"{LIST}add/", FIELDS | {field: value})

    assert page.context["adminform"].form.errors.keys() == {field}
    assert not Student.objects.exists()


def test_a_picture_that_is_none_is_told_in_the_form(office):
    page = office.post(f"{LIST}add/", FIELDS | {"picture": posted(b"<script>")})

    assert page.context["adminform"].form.errors.keys() == {"picture"}
    assert not Student.objects.exists()


def test_a_history_has_as_many_pages_as_it_has_steps(office):
    row = students(*["谭鹏"] * 101)[0]  # a page of a history has room for 100
    save_page(office, f"{LIST}{row.pk}/change/", city="北京")

    page = office.get(f"{LIST}{row.pk}/history/")

    assert "北京" in page.content.decode() and page.context["action_list"].paginator.count == 1


def test_a_new_student_is_shown_no_number_before_there_is_one(office):
    page = office.post(f"{LIST}add/", FIELDS | {"name": ""}).content.decode()

    assert "姓名" in page and "学号" not in page


def test_the_list_of_a_month_says_that_it_is_one(office):
    month = {"created_at__gte": "2026-11-01T00:00:00+08:00", "created_at__lt": "2026-12-01T00:00:00+08:00"}

    assert "只显示 2026-11-01 起一段时间内新增的学员" in office.get("/admin/students/student/", month).content.decode()
    assert "只显示" not in office.get("/admin/students/student/").content.decode()


class TestTheForm:
    def test_writes_a_class_as_it_is_written_already(self, office):
        students("谭鹏", class_name="web班")
        for name, typed in (("甲", "h51901 "), ("乙", "Ｈ５１９０１"), ("丙", " WEB班")):
            office.post(f"{LIST}add/", FIELDS | {"name": name, "class_name": typed})

        assert dict(Student.objects.values_list("name", "class_name")) == {
            "谭鹏": "web班", "甲": "H51901", "乙": "H51901", "丙": "web班"
        }  # fmt: skip

    def test_offers_the_classes_and_a_new_one(self, office):
        row = students("谭鹏", class_name="H1")[0]
        page = office.get(f"{LIST}{row.pk}/change/").content.decode()
        assert '<option value="H1" selected>' in page and "新建班级…" in page

        save_page(office, f"{LIST}{row.pk}/change/", class_name="__new__", class_name_new="h2")
        assert Student.objects.get().class_name == "H2"
        refused = save_page(office, f"{LIST}{row.pk}/change/", class_name="__new__", class_name_new="")
        assert refused.context["adminform"].form.errors.keys() == {"class_name"}

    def test_asks_whether_a_namesake_in_the_class_is_another_person(self, office):
        first = students("谭鹏", class_name="H51901")[0]
        students("谭鹏", class_name="H2")

        asked = office.post(f"{LIST}add/", FIELDS)
        assert "H51901 班已有同名学员" in asked.content.decode() and first.sid in asked.content.decode()
        assert Student.objects.count() == 2

        office.post(f"{LIST}add/", FIELDS | {"namesake": "1"})
        assert Student.objects.filter(class_name="H51901", name="谭鹏").count() == 2
        assert save_page(office, f"{LIST}{first.pk}/change/", city="南京").status_code == 302  # no news

    def test_lets_staff_leave_out_what_the_api_wants(self, office, zhuguan):
        wire = {"class": "H1", "name": "甲", "age": "20", "city": "a", "degree": "b"}
        assert zhuguan.post("/students/addstu", wire).json()["msg"] == "缺少参数: productUrl, description"

        office.post(f"{LIST}add/", FIELDS | {"product_url": "", "description": ""})

        assert list(Student.objects.values_list("product_url", "description")) == [("", "")]

    def test_removes_a_photo(self, office):
        office.post(f"{LIST}add/", FIELDS | {"picture": posted(encoded())})
        row = Student.objects.get()
        assert row.headimgurl and ImageUse.objects.exists()

        save_page(office, f"{LIST}{row.pk}/change/", no_picture="on")

        assert Student.objects.get().headimgurl == "" and not ImageUse.objects.exists()
        assert "移除现在的头像" not in office.get(f"{LIST}{row.pk}/change/").content.decode()


def test_sorts_by_name_as_chinese_readers_expect(office):
    students("张三", "安琪", "李雷", "Ann", "李彬", "龘龘", "王芳")

    at = StudentAdmin.list_display.index("name") + 1

    names = ["Ann", "安琪", "李彬", "李雷", "王芳", "张三", "龘龘"]
    assert shown(office, o=str(at))[0] == names
    assert shown(office, o=f"-{at}")[0] == names[::-1]


def test_sorting_by_name_reads_the_index(office):
    for way in ("asc", "desc"):
        rows = Student.objects.order_by(getattr(admin.NAME_ORDER, way)(), "-pk" if way == "asc" else "pk")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off")
        assert "student_of_name" in rows[:50].explain() and "Sort" not in rows[:50].explain()


def test_each_page_of_a_long_list_is_read_from_the_nearer_end(office, monkeypatch):
    monkeypatch.setattr(StudentAdmin, "list_per_page", 2)
    made = students(*(f"谭鹏{number}" for number in range(7)))
    read = []

    with CaptureQueriesContext(connection) as asked:
        for number in range(1, 5):
            read += [one.pk for one in office.get(f"{LIST}?p={number}").context_data["cl"].result_list]

    assert read == sorted((one.pk for one in made), reverse=True)
    steps = [int(found) for query in asked for found in re.findall(r"students_student.*OFFSET (\d+)", query["sql"])]
    assert sorted(steps) == [1, 2]  # the first pages and the last ones have none to step over
