"""Many students are deleted in the background, from one click to the last row, and come back whole."""

from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from accounts.models import User
from runs import work
from runs.errors import RunNotReady
from runs.work import SILENCE, progress_end, progress_read, progress_write
from students import runs
from students.bulk import students_delete
from students.counts import counts_wrong
from students.models import RowKind, RunState, Student, TransferFile, TransferRow, TransferRun
from students.runs import run_undo, runs_purge, runs_resume
from students.services import student_edit
from students.tasks import transfer_work
from students.tests.factories import FIELDS, student, students
from students.tests.test_class_steps import accounts
from students.tests.transfers import LIST, checked, line, page_of, question, sheet, text_of, undone, worked
from students.transfer import deletion
from tests.kit import encoded, meanwhile, posted, posted_of
from uploads.models import ImageUse, Upload
from uploads.services import ORPHAN_AFTER, orphans_remove

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent_tasks")]


def people(count, **fields):
    return students(*[f"学员{number}" for number in range(count)], **fields)


def confirmed(office, *chosen, **query):
    page, address = question(office, "delete_selected", *chosen, **query)
    answer = office.post(address, posted_of(page))
    return TransferRun.objects.get(pk=int(answer.url.split("/")[-3]))


def kinds(run):
    return dict(run.rows.order_by().values_list("student_pk", "kind"))


def deletions():
    return LogEntry.objects.get_for_model(Student).filter(action=LogEntry.Action.DELETE)


class TestTheWay:
    def test_of_all_that_the_list_shows_from_one_click_to_undo(self, office, root):
        people(50, class_name="H1")
        kept = people(3, class_name="H2")
        before = list(Student.objects.order_by("pk").values())

        page, address = question(office, "delete_selected", **{"class": "H1"})
        text = page.content.decode()
        assert "确认删除 50 名" in text and "H1 50 名" in text and "以及另外 30 名" in text
        assert text.count("<li>学员") == 20 and len(page.context["posted"]) < 10  # Django refuses 1,000 fields
        assert "删除中" in office.post(address, posted_of(page), follow=True).content.decode()
        run = worked(TransferRun.objects.get())

        assert (run.state, run.counts) == (RunState.DONE, {"deleted": 50})
        assert list(Student.objects.order_by("pk")) == kept and counts_wrong() == []
        assert deletions().count() == 50 and set(deletions().values_list("actor", flat=True)) == {root.user.pk}
        office.post(page_of(run), {"do": "undo"})
        worked(run)

        assert (run.state, run.counts, run.undone_by) == (RunState.UNDONE, {"undone": 50}, root.user)
        assert list(Student.objects.order_by("pk").values()) == before and counts_wrong() == []
        assert "恢复了 50 名学员" in text_of(office, run)

    def test_of_one_from_its_page_whose_undo_lists_whose_number_is_taken_and_happens_once(self, office):
        one, two = people(2)
        accounts("H1", one, two)
        page = office.get(f"{LIST}{one.pk}/delete/")
        assert "确认删除 1 名学员" in page.content.decode() and Student.objects.count() == 2
        office.post(f"{LIST}{one.pk}/delete/", posted_of(page))
        first = worked(TransferRun.objects.get())
        assert Student.objects.get() == two and counts_wrong() == []
        undone(first)
        assert Student.objects.get(pk=one.pk, sid=one.sid).account.username == one.sid.lower()

        run = worked(confirmed(office))
        student(name="后来", sid=one.sid, account=User.objects.get(username=two.sid.lower())).save()
        undone(run)

        assert kinds(run) == {one.pk: RowKind.KEPT, two.pk: RowKind.UNDONE}
        text = text_of(office, run)
        assert "1 名无法撤销" in text and "已经属于另一名学员" in text and one.name in text
        assert {person.name: bool(person.account_id) for person in Student.objects.all()} == {
            "后来": True, two.name: False,
        }  # fmt: skip
        with pytest.raises(RunNotReady):
            undone(run)
        Student.objects.all().delete()
        worked(run)
        assert not Student.objects.exists()

    @pytest.mark.parametrize("query", [{}, {"q": "学员1"}, {"q": "学员1", "class": "H1"}, {"city": "南京"}])
    def test_of_what_was_ticked_or_the_list_shows_and_no_other(self, office, query):
        pupils = people(2, class_name="H1", city="南京")
        if "q" in query:
            del pupils[0]
        others = students("李雷", "韩梅梅", city="北京")

        run = worked(confirmed(office, **query) if query else confirmed(office, *pupils))

        assert {pk for pk, kind in kinds(run).items() if kind == RowKind.DELETED} == {person.pk for person in pupils}
        assert Student.objects.filter(pk__in=[person.pk for person in others]).count() == 2
        assert query or str(run) == "删除学员 学员1、学员0"


class TestIsCareful:
    def test_when_the_list_changed_after_it_was_shown(self, office):
        first, _ = people(2, class_name="H1")
        page, address = question(office, "delete_selected", **{"class": "H1"})
        Student.objects.filter(pk=first.pk).update(class_name="H2")
        people(1, class_name="H1")  # as many, but not the same

        answer = office.post(address, posted_of(page))

        assert "名单在你确认之前变了" in answer.content.decode() and answer.context["count"] == 2
        assert Student.objects.count() == 3 and not TransferRun.objects.exists()
        assert office.post(address, posted_of(answer)).status_code == 302

    def test_with_more_than_it_can_take_back_with_no_student_and_with_a_forged_confirmation(self, office, monkeypatch):
        first, *_ = people(3)
        with monkeypatch.context() as patch:
            patch.setattr("students.admin.many.MAX_DELETED", 2)
            page, address = question(office, "delete_selected")
            assert page.status_code == 302 and "一次最多删除2名学员" in office.get(address).content.decode()

        answer, _ = question(office, "delete_selected", student(pk=5))
        assert answer.context["count"] == 0
        assert office.post(LIST, posted_of(answer)).status_code == 200
        data = {"action": "delete_selected", "select_across": "1", "_selected_action": first.pk}
        for mark in ("", "x", "1-0", "\x00"):
            assert "确认删除 3 名" in office.post(LIST, data | {"mark": mark}).content.decode()
        assert not TransferRun.objects.exists()

    def test_with_who_came_went_or_was_changed_after_the_confirmation(self, office):
        one, two = people(2, class_name="H1")
        run = confirmed(office, **{"class": "H1"})
        (late,) = people(1, class_name="H1")
        Student.objects.filter(pk=one.pk).delete()
        student_edit(sid=two.sid, changes={"city": "刚写的"}, now=timezone.now())

        worked(run)

        assert kinds(run) == {one.pk: RowKind.GONE, two.pk: RowKind.DELETED}
        assert Student.objects.get() == late
        assert undone(run).counts == {"gone": 1, "undone": 1}
        assert Student.objects.get(pk=two.pk).city == "刚写的"


class TestUndo:
    @pytest.fixture
    def pictured(self, zhuguan):
        """The row of a student with a picture, as clients read it."""
        zhuguan.post("/students/addstu", FIELDS | {"headimgurl": posted(encoded())}, format="multipart")
        return zhuguan.get("/students/getstulist").json()["data"]

    def test_brings_a_student_back_with_the_picture_although_the_sweep_came_by(self, office, zhuguan, pictured):
        run = worked(confirmed(office))
        assert zhuguan.get("/students/getstulist").json()["total"] == 0
        assert orphans_remove(now=timezone.now() + 2 * ORPHAN_AFTER) == 0

        undone(run)

        assert zhuguan.get("/students/getstulist").json()["data"] == pictured
        assert ImageUse.objects.get().owner == Student.objects.get().owner_ref
        assert Upload.objects.get().idle_since is None
        with closing(zhuguan.http.get(Student.objects.get().headimgurl)) as picture:
            assert picture.status_code == 200

    def test_is_possible_for_a_week_then_the_picture_goes_and_files_and_rows_of_all_runs(self, office, pictured):
        run, other = worked(confirmed(office)), checked(sheet(line()))
        now = timezone.now() + timedelta(days=7, minutes=1)

        runs_purge(now=now - timedelta(hours=1))
        assert TransferRow.objects.count() == 2 and TransferFile.objects.exists()
        with pytest.raises(RunNotReady):
            run_undo(run=run, user_pk=None, now=now)
        runs_purge(now=now)

        assert not [model for model in (TransferRow, TransferFile, ImageUse) if model.objects.exists()]
        other.refresh_from_db()
        assert other.state == RunState.CANCELLED
        assert orphans_remove(now=timezone.now() + 2 * ORPHAN_AFTER) == 1
        TransferRun.objects.update(created_at=timezone.now() - timedelta(days=8))
        assert "撤销" not in text_of(office, run)


def dies_after_ten(run, monkeypatch):
    """A worker that dies after its first step, of ten students."""
    calls = []

    def delete(rows, **facts):
        if calls:
            raise RuntimeError("the worker has died")
        calls.append(students_delete(rows, **facts))

    with monkeypatch.context() as patch:
        patch.setattr(runs, "PORTION", 10)
        patch.setattr(deletion, "students_delete", delete)
        worked(run)


def test_an_undo_stops_what_is_going_on(office, monkeypatch):
    students = people(30)
    run = confirmed(office)
    dies_after_ten(run, monkeypatch)
    assert "停止并撤销" in text_of(office, run)

    worked(undone(run))  # the worker that was deleting comes back

    assert (run.state, run.counts) == (RunState.UNDONE, {"undone": 10, "skipped": 20})
    assert Student.objects.count() == len(students) and counts_wrong() == []


def test_what_a_dead_worker_did_stays_and_another_goes_on_but_none_beside_a_living_one(office, monkeypatch):
    people(30)
    run, progress = confirmed(office), []
    dies_after_ten(run, monkeypatch)
    assert (run.state, Student.objects.count()) == (RunState.APPLYING, 20)
    assert run.counts == {"deleted": 10, "waiting": 20}
    assert "会自动重试" in run.message and runs_resume(now=timezone.now()) == 0

    TransferRun.objects.update(phase_at=timezone.now() - 2 * SILENCE)
    progress_write(run, 1, 2)
    assert runs_resume(now=timezone.now()) == 0
    progress_end(run)
    assert runs_resume(now=timezone.now()) == 1 and not progress_read(run).has_started
    monkeypatch.setattr(runs, "PORTION", 10)
    monkeypatch.setattr(work, "progress_write", lambda run, done, total: progress.append((done, total)))
    worked(run)

    assert (run.state, run.counts, run.message) == (RunState.DONE, {"deleted": 30}, "")
    assert progress == [(0, 0), (20, 30), (30, 30)]
    assert deletions().count() == 30 and runs_resume(now=timezone.now()) == 0


@pytest.mark.django_db(transaction=True)
def test_a_task_delivered_twice_does_nothing_twice(office, monkeypatch):
    people(40)
    run = confirmed(office)
    other = meanwhile(monkeypatch, "students.transfer.deletion.students_delete", partial(transfer_work, run.pk))

    worked(run)  # the other worker goes at once: the run's row is locked
    other()
    worked(run)

    assert (run.state, run.counts, Student.objects.count()) == (RunState.DONE, {"deleted": 40}, 0)
    assert deletions().count() == 40 and counts_wrong() == []
