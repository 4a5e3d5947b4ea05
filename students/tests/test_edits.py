"""The same values for many students at once, with one entry each in the list of changes, and the way back."""

import pytest
from auditlog.models import LogEntry

from students.counts import counts_wrong
from students.models import RowKind, RunState, Student, TransferRun
from students.services import student_edit
from students.tests.factories import students
from students.tests.transfers import LIST, asked, page_of, text_of, worked
from tests.kit import posted_of

pytestmark = pytest.mark.django_db


def edited(office, page, address=LIST, **values):
    return office.post(address, posted_of(page) | values, follow=True)


def test_some_are_moved_into_a_class_and_taken_back(office, root):
    first, second = students("谭鹏", "王芳", class_name="H1")
    stays = students("韩", class_name="H2")[0]

    page, _ = asked(office, "edit_many", first, second, stays)
    assert "修改 3 名学员" in page.content.decode() and "H1（2 名）、H2（1 名）" in page.content.decode()
    done = edited(office, page, class_name="h2 ").content.decode()

    assert "已修改 2 名学员，另外 1 名本来就是这样" in done and "撤销这次修改" in done
    assert set(Student.objects.values_list("class_name", flat=True)) == {"H2"} and counts_wrong() == []
    entry = LogEntry.objects.get_for_object(first).get()
    assert (entry.actor_id, entry.changes) == (root.user.pk, {"class_name": ["H1", "H2"]})
    assert not LogEntry.objects.get_for_object(stays).exists()

    student_edit(sid=second.sid, changes={"class_name": "H3"})
    run = TransferRun.objects.get()
    office.post(page_of(run), {"do": "undo"})
    worked(run)

    assert (run.state, run.counts) == (RunState.UNDONE, {"undone": 1, "kept": 1, "unchanged": 1})
    assert dict(Student.objects.values_list("name", "class_name")) == {"谭鹏": "H1", "王芳": "H3", "韩": "H2"}
    assert run.rows.get(kind=RowKind.KEPT).errors == [["班级", "修改之后被修改过，保留现在的内容"]]
    assert "1 名学员回到修改之前" in text_of(office, run)


def test_several_fields_of_all_that_the_filter_shows(office, monkeypatch):
    students(*["谭鹏"] * 60, class_name="H1")
    students("韩", class_name="H2")

    edited(office, *asked(office, "edit_many", **{"class": "H1"}), city="南京", age="３０", product_url="")

    changed = Student.objects.filter(city="南京", age=30, product_url="地址")
    assert changed.count() == 60 and not changed.filter(class_name="H2").exists()
    monkeypatch.setattr("students.admin.MAX_EDITED", 1)
    assert asked(office, "edit_many")[0].status_code == 302
    assert "一次最多修改1名学员" in office.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("values", "text"),
    [({}, "请至少填写一项"), ({"age": "151"}, "150"), ({"product_url": "javascript:x"}, "不是项目地址"),
     ({"city": "重庆"}, "没有做任何修改")],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_changes(office, values, text):
    person = students("谭鹏")[0]
    before = Student.objects.values().get()

    answer = edited(office, asked(office, "edit_many", person)[0], **values)

    assert text in answer.content.decode() and Student.objects.values().get() == before
    assert not TransferRun.objects.exists()


def test_it_asks_again_when_somebody_changed_one_of_them_after_they_were_shown(office):
    first, second = students("谭鹏", "王芳", city="重庆")
    page, _ = asked(office, "edit_many", first, second)
    student_edit(sid=first.sid, changes={"city": "上海"})

    answer = edited(office, page, city="南京")

    assert "在你确认之前变了" in answer.content.decode()
    assert set(Student.objects.values_list("city", flat=True)) == {"重庆", "上海"}
    edited(office, answer, city="南京")
    assert set(Student.objects.values_list("city", flat=True)) == {"南京"}
