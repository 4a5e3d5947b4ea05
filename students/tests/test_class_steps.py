"""A class is renamed, merged, split and ended with all that belongs to it, and that can be taken back."""

from datetime import datetime, timedelta
from functools import partial

import pytest

from accounts.models import User
from accounts.services.class_accounts import Trainee, class_accounts_create
from core.times import SHANGHAI
from permissions.gate import read_only_set, read_only_until
from permissions.models import Role
from runs.errors import RunNotAllowed
from students import class_steps
from students.accounts import Fate
from students.class_steps import class_end, class_facts, class_merge, class_rename, class_split, mark_of
from students.classes import class_get, class_rows
from students.counts import counts_wrong
from students.errors import ClassStepRefused, ClassUnknown, SelectionChanged, StudentUnchanged
from students.listener import StudentsListener, listeners
from students.models import ArchivedStudent, ClassState, SchoolClass, Student, StudentEvent
from students.recorded_changes import students_state_set
from students.services import student_edit, student_restore
from students.tests import transfers
from students.tests.factories import student, students
from students.tests.transfers import put_aside
from tests.kit import meanwhile

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 29, 9, tzinfo=SHANGHAI)
TODAY = NOW.date()
undone = partial(transfers.undone, now=NOW)


def names(class_name):
    return sorted(Student.objects.filter(class_name=class_name).values_list("name", flat=True))


def mark(name):
    return class_facts(name).mark


def rename(before, after):
    return class_rename(before=before, after=after, mark=mark(before), user_pk=None, now=NOW)


def merge(before, after):
    return class_merge(before=before, after=after, mark=mark(before), user_pk=None, now=NOW)


def end(name, fate=Fate.KEEP):
    return class_end(before=name, on=TODAY, fate=fate, mark=mark(name), user_pk=None, now=NOW)


def state(rows, kind, fate=Fate.KEEP):
    pks = [row.pk for row in rows]
    return students_state_set(
        pks=pks, state=kind, on=TODAY, reason="家里有事", fate=fate, mark=mark_of(pks), user_pk=None, now=NOW
    )


def accounts(class_name, *rows):
    class_accounts_create(class_name=class_name, trainees=[Trainee(row.name, row.sid) for row in rows])
    for row in rows:
        Student.objects.filter(pk=row.pk).update(account=User.objects.get(username=row.sid.lower()))
        row.refresh_from_db()


def account_classes():
    return set(User.objects.exclude(class_name="").values_list("class_name", flat=True))


def everything():
    rows = [list(model.objects.order_by("pk").values()) for model in (Student, ArchivedStudent, SchoolClass)]
    users = User.objects.order_by("pk").values_list("username", "class_name", "is_active")
    return [*rows, list(users), list(StudentEvent.objects.order_by("pk").values())]


@pytest.fixture
def school(root, sent_tasks, django_capture_on_commit_callbacks):
    people = students("王芳", "李雷", "谭鹏", class_name="H1")
    accounts("H1", *people)
    put_aside(people[2], now=NOW)
    students("周杰", class_name="H2")
    class_rows()
    return people[:2]


@pytest.mark.parametrize(("step", "after"), [(partial(rename, "H1", "H9"), "H9"), (partial(merge, "H1", "H2"), "H2")])
def test_all_goes_along_and_comes_back(school, step, after, monkeypatch, django_capture_on_commit_callbacks):
    read_only_set("H1", ends_at=NOW + timedelta(days=9000), now=NOW)
    heard = []
    listener = StudentsListener(
        class_renamed=lambda **facts: heard.append(facts) or [7],
        class_rename_undone=lambda **facts: heard.append(facts),
    )
    monkeypatch.setitem(listeners, "test", listener)
    before = everything()

    with django_capture_on_commit_callbacks(execute=True):
        run = step()
    assert {"王芳", "李雷"} <= set(names(after)) and names("H1") == []
    assert ArchivedStudent.objects.get().class_name == after and account_classes() == {after}
    assert read_only_until(after) and not read_only_until("H1")
    assert heard == [{"before": "H1", "after": after}] and counts_wrong() == []

    undone(run)
    assert everything() == before and counts_wrong() == []
    assert heard[1] == {"before": "H1", "after": after, "note": [7]}

    read_only_set("H1", ends_at=NOW + timedelta(days=9000), now=NOW)
    read_only_set(after, ends_at=NOW + timedelta(days=8000), now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        step()
    assert read_only_until(after) == NOW + timedelta(days=8000) and not read_only_until("H1")


def test_a_split_takes_the_chosen_with_their_accounts(school):
    before = everything()

    run = class_split(before="H1", after="H3", pks=[school[0].pk], user_pk=None, now=NOW)

    assert names("H3") == ["王芳"] and names("H1") == ["李雷"] and account_classes() == {"H1", "H3"}
    assert class_get("H3").state == ClassState.OPEN
    assert StudentEvent.objects.filter(kind="moved").get().detail == "从 H1"
    undone(run)
    assert everything() == before and not SchoolClass.objects.filter(name="H3").exists()
    with pytest.raises(SelectionChanged):
        class_split(before="H2", after="H3", pks=[school[0].pk], user_pk=None, now=NOW)


@pytest.mark.parametrize(("fate", "active"), [(Fate.KEEP, 3), (Fate.DISABLE, 1), (Fate.DELETE, 1)])
def test_the_end_of_a_class_and_its_accounts(school, fate, active):
    students("张三", class_name="H1", state="withdrawn")
    before = everything()

    run = end("H1", fate)

    assert User.objects.exclude(class_name="").filter(is_active=True).count() == active
    assert set(Student.objects.filter(class_name="H1").values_list("name", "state", "state_on", "left_on")) == {
        ("王芳", "graduated", TODAY, TODAY),
        ("李雷", "graduated", TODAY, TODAY),
        ("张三", "withdrawn", None, None),
    }
    ended = class_get("H1")
    assert (ended.state, ended.ends_on) == (ClassState.ENDED, TODAY)
    assert StudentEvent.objects.filter(is_leaving=True, on=TODAY, kind="graduated").count() == 2
    undone(run)
    if fate != Fate.DELETE:
        assert everything() == before
    assert StudentEvent.objects.filter(kind="graduated").count() == 0


def test_accounts_of_students_who_are_kept_stay_disabled(school):
    accounts("H1", *students("张三", class_name="H1", state="withdrawn"))  # left before, and keeps no row in the run
    run = end("H1", Fate.DISABLE)
    student_edit(sid=school[0].sid, changes={"state": "suspended"}, now=NOW)

    undone(run)

    assert dict(Student.objects.filter(class_name="H1").values_list("name", "account__is_active")) == {
        "王芳": False, "李雷": True, "张三": True,
    }  # fmt: skip


def test_accounts_of_staff_are_never_touched(root, sent_tasks):
    row = student(account_id=root.user.pk)
    row.save()

    state([row], "withdrawn", Fate.DELETE)

    assert User.objects.filter(pk=root.user.pk, is_active=True).exists()


def test_states_count_where_they_happened_and_come_back(root, sent_tasks):
    rows = students("王芳", "李雷")
    before = everything()
    runs = [state(rows, kind) for kind in ("suspended", "withdrawn", "studying")]

    kinds = list(StudentEvent.objects.filter(student_pk=rows[0].pk).values_list("kind", "is_leaving", "is_return"))
    assert kinds == [("suspended", False, False), ("withdrawn", True, False), ("returned", False, True)]
    assert set(Student.objects.values_list("state", "state_on", "state_reason")) == {("studying", TODAY, "家里有事")}
    with pytest.raises(StudentUnchanged):
        state(rows, "studying")
    for run in reversed(runs):
        undone(run)
    assert everything() == before


def test_who_has_lost_the_right_takes_nothing_back(school, person):
    run = rename("H1", "H9")
    clerk = person("clerk", "103", is_staff=True).user
    Role.objects.filter(pk=clerk.role_id).update(data_scope="change_own")

    undone(run, clerk)

    run.refresh_from_db()
    assert (run.state, run.message) == ("done", RunNotAllowed.msg) and names("H9") == ["李雷", "王芳"]


def test_what_is_refused_changes_nothing(school):
    students("钱七", class_name="H5")  # nobody has asked for this class yet
    class_rows()
    SchoolClass.objects.filter(name="H5").update(state=ClassState.ENDED)
    SchoolClass.objects.create(name="H6")
    before = everything()
    for step, refusal in (
        (partial(rename, "H1", "H5"), ClassStepRefused),
        (partial(rename, "H1", "H1"), ClassStepRefused),
        (partial(rename, "H1", "H" * 40), ClassStepRefused),  # longer than an account's class may be
        (partial(merge, "H1", "H7"), ClassUnknown),
        (partial(merge, "H1", "H5"), ClassStepRefused),
        (partial(merge, "H6", "H1"), ClassStepRefused),  # all of it has gone already
    ):
        with pytest.raises(refusal):
            step()
        assert everything() == before


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_student_added_meanwhile_is_in_a_class_with_a_row(self, monkeypatch, root, sent_tasks):
        students("王芳", class_name="H1")
        class_rows()
        result = meanwhile(monkeypatch, "students.class_steps._row_lock", lambda: students("李雷", class_name="H1"))

        rename("H1", "H9")
        result()

        assert names("H9") == ["王芳"] and names("H1") == ["李雷"]
        assert [row.name for row in class_rows()] == ["H1", "H9"] and class_get("H1") and counts_wrong() == []

    def test_of_two_renames_one_is_done(self, monkeypatch, root, sent_tasks):
        students("王芳", class_name="H1")
        class_rows()
        other = partial(class_rename, before="H1", after="H8", mark=mark("H1"), user_pk=None, now=NOW)
        result = meanwhile(monkeypatch, "students.class_steps._row_lock", other)

        rename("H1", "H9")

        assert isinstance(result(), (SelectionChanged, ClassUnknown))
        assert names("H9") == ["王芳"] and names("H8") == [] and counts_wrong() == []

    def test_of_two_classes_that_get_one_name_one_does(self, monkeypatch, root, sent_tasks):
        students("王芳", class_name="H1")
        students("李雷", class_name="H2")
        class_rows()
        other = partial(class_rename, before="H2", after="H9", mark=mark("H2"), user_pk=None, now=NOW)
        result = meanwhile(monkeypatch, "students.class_steps._move", other)

        rename("H1", "H9")

        assert isinstance(result(), ClassStepRefused) and names("H9") == ["王芳"] and names("H2") == ["李雷"]

    @pytest.mark.parametrize("is_locked", [True, False])
    def test_a_student_restored_meanwhile_comes_back_to_the_new_class(self, monkeypatch, root, sent_tasks, is_locked):
        """The twin without the lock of the archive: the student comes back to a class that is gone."""
        people = students("王芳", "李雷", class_name="H1")
        class_get("H1")
        put_aside(people[1], now=NOW)
        if not is_locked:
            monkeypatch.setattr(
                class_steps, "_archived_of", lambda name: list(ArchivedStudent.objects.filter(class_name=name))
            )
        restore = partial(student_restore, pk=people[1].pk, actor_pk=None, now=NOW)
        result = meanwhile(monkeypatch, "students.class_steps._row_lock", restore)

        rename("H1", "H9")

        assert result() is None
        assert names("H9") == (["李雷", "王芳"] if is_locked else ["王芳"]) and counts_wrong() == []
