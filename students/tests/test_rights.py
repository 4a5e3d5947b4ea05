"""Who may only look prints the class list; all else takes a right of its own.

Rights and data scope of a run are asked at each step, of each row, at that moment.
"""

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from core.ids import mark_of
from permissions.models import DataScope, Role
from permissions.services.roles import role_scoped
from students.models import RowKind, RunKind, RunState, SchoolClass, Student, TransferRow, TransferRun
from students.recorded_changes import edit_mark
from students.runs import run_confirm, run_undo
from students.tests.factories import students
from students.tests.transfers import LIST, RUNS, checked, page_of, question, sheet, text_of, worked, zipped
from students.transfer.deletion import deletion_start
from tests.kit import encoded, logged_in

pytestmark = pytest.mark.django_db


def test_each_right_opens_its_own_pages(person, roles, sent_tasks):
    row = students("谭鹏", "<b>", class_name="H1")[0]
    students("李雷", class_name="H2")
    facts = {"state": RunState.DONE, "created_at": timezone.now(), "phase_at": timezone.now(), "file_name": "x"}
    run, deletion, edit = (
        TransferRun.objects.create(kind=kind, **facts) for kind in (RunKind.IMPORT, RunKind.DELETE, RunKind.EDIT)
    )
    browser = logged_in(person("clerk", "200", is_staff=True).user)
    export, paper = f"{LIST}export/?format=csv", f"{LIST}print/"
    starts = [f"{RUNS}import/", f"{RUNS}photos/", f"{RUNS}template.csv"]
    pages = [f"{RUNS}{run.pk}/{what}/" for what in ("change", "progress")]

    def codes(verbs, *addresses):
        names = [f"{verb}_student" for verb in verbs.split()]
        roles["200"].permissions.set(Permission.objects.filter(codename__in=names))
        return {browser.get(address).status_code for address in addresses}

    def undo(*several):
        return [browser.post(page_of(one), {"do": "undo"}).status_code for one in several]

    def do(action, **more):
        browser.post(LIST, {"action": action, "_selected_action": [row.pk], "sure": "1", "mark": "x"} | more)
        row.refresh_from_db()

    assert codes("view", export, RUNS, *starts, *pages, f"{RUNS}{run.pk}/result/", page_of(deletion)) == {403}
    page = browser.get(paper, {"class": "H1"}).content.decode()
    assert "H1 班学员名单" in page and "谭鹏" in page and "&lt;b&gt;" in page and "李雷" not in page
    page = browser.get(LIST).content.decode()
    assert "打印名单" in page and "Excel" not in page and "导入学员" not in page
    do("edit_many", city="南京", mark=edit_mark([row]))
    assert row.city == "重庆"
    assert codes("view export", export, "/admin/core/export/") == {200} and codes("view export", RUNS, *starts) == {403}
    assert "Excel" in browser.get(LIST).content.decode() and codes("export", paper, export) == {403}
    assert codes("view add change", RUNS, *starts, *pages) == {200} and codes("view add change", export) == {403}
    assert "导入学员" in browser.get(LIST).content.decode() and "撤销这次导入" not in text_of(browser, run)
    do("archive")
    do("delete_selected")
    assert browser.post(f"{LIST}{row.pk}/archive/", {"sure": "1"}).status_code == 403 and undo(run) == [403]
    assert codes("view change", page_of(edit)) == {200} and undo(run, deletion, edit) == [404, 404, 302]
    do("edit_many", city="南京", mark=edit_mark([row]))
    assert row.city == "南京"
    assert codes("view delete", RUNS, page_of(deletion)) == {200} and codes("view delete", *pages) == {404}
    assert browser.get(RUNS).context["cl"].result_count == 1 and undo(run, deletion) == [404, 302]
    assert set(TransferRun.objects.filter(state=RunState.UNDOING)) == {edit, deletion}


def test_without_a_right_nobody_learns_whether_a_number_is_anyones(person, roles):
    roles["200"].permissions.set(Permission.objects.filter(codename="view_product"))
    browser = logged_in(person("clerk", "200", is_staff=True).user)
    row, school_class = students("谭鹏", class_name="H1")[0], SchoolClass.objects.create(name="H1")
    steps = ("delete", "archive", "state", "account", "change", "history")
    pages = {f"{LIST}{{}}/{step}/": row.pk for step in steps} | {"/admin/student-slip/{}/": row.pk}
    pages |= {"/admin/students/schoolclass/{}/end/": school_class.pk}

    for page, pk in pages.items():
        for send in (browser.get, browser.post):
            assert [send(page.format(number)).status_code for number in (pk, 987654)] == [403, 403], page


def test_the_list_is_what_was_filtered_and_not_too_long(office, monkeypatch):
    monkeypatch.setattr("students.admin.student.MAX_PRINTED", 2)
    students("谭一", "谭二", "李三", class_name="H1")

    assert office.get(f"{LIST}print/", {"q": "谭"}).content.decode().count("<tr>") == 3
    for query, message in (({"class": "H1"}, "一次最多打印 2 名"), ({"class": "H9"}, "没有符合条件")):
        answer = office.get(f"{LIST}print/", query, follow=True)
        assert message in answer.content.decode() and answer.redirect_chain == [(f"{LIST}?class={query['class']}", 302)]
    assert (
        office.get(f"{LIST}print/", {"q": "\x00", "class": "x" * 999, "age_from": "y"}, follow=True).status_code == 200
    )


@pytest.mark.parametrize("action", ["edit_many", "set_state", "archive", "delete_selected"])
def test_of_chosen_students_those_of_others_are_left_out_and_counted(clerk, office, action):
    own, *others = students("自己", created_by=clerk.user) + students("别人", "另一个")
    clerk.user.role = role_scoped(roleid="102", scope=DataScope.CHANGE_OWN)
    clerk.user.save()

    texts = [question(browser, action, own, *others)[0].content.decode() for browser in (clerk.browser, office)]

    assert "2 名学员不是您录入的，不会改动" in texts[0] and "不会改动" not in texts[1]
    assert "1 名" in texts[0] and "别人" not in texts[0] and "3 名" in texts[1]


# --- Of a run ---
@pytest.fixture
def clerk(person, roles):
    """A member of staff of the role 102, whose data scope is 全部, with a browser."""
    who = person("clerk", "102", is_staff=True)
    who.browser = logged_in(who.user)
    return who


def narrow(who):
    who.user.role = role_scoped(roleid="102", scope=DataScope.OWN)
    who.user.save()


def take_rights(who):
    rights = Permission.objects.filter(codename__in=["change_student", "delete_student"])
    Role.objects.get(roleid="102").permissions.remove(*rights)


def leave(who):
    who.user.delete()


def prepared(who, state):
    """Return a run that changes another's student, in a state."""
    [pupil] = students("密甲", age=20)
    run = checked(sheet([pupil.sid, "77"], head=["学号", "年龄"]), who.user)
    if state != RunState.READY:
        run_confirm(run=run, user_pk=who.user.pk, now=timezone.now())
    if state in (RunState.DONE, RunState.UNDOING):
        worked(run)
    if state == RunState.UNDOING:
        run_undo(run=run, user_pk=who.user.pk, now=timezone.now())
    return run


def test_runs_that_began_under_a_wider_scope_show_and_do_nothing(clerk, sent_tasks):
    acts = {"confirm": RunState.READY, "check": RunState.READY, "cancel": RunState.READY, "undo": RunState.DONE}
    runs = {state: prepared(clerk, state) for state in (RunState.READY, RunState.DONE)}
    before, page = list(Student.objects.values()), page_of(runs[RunState.READY])

    def shown(answer):
        return [student["sid"] in answer.content.decode() for student in before]

    assert any(shown(clerk.browser.get(page)))

    narrow(clerk)

    answers = [clerk.browser.post(page_of(runs[state]), {"do": act}) for act, state in acts.items()]
    pages = ("change", "result", "progress", "photo/1")
    answers += [clerk.browser.get(f"{RUNS}{runs[RunState.DONE].pk}/{name}/") for name in pages]
    assert {(answer.status_code, any(shown(answer))) for answer in answers} == {(404, False)}
    assert "a.csv" not in clerk.browser.get(RUNS).content.decode()
    assert dict(TransferRun.objects.values_list("pk", "state")) == {run.pk: state for state, run in runs.items()}
    assert list(Student.objects.values()) == before
    Role.objects.filter(roleid="102-own").update(data_scope=DataScope.ALL)
    assert clerk.browser.get(page).status_code == 200


@pytest.mark.parametrize("loss", [narrow, take_rights, leave])
def test_a_worker_writes_nothing_for_a_person_who_may_not_any_more(clerk, loss, sent_tasks):
    run = prepared(clerk, RunState.APPLYING)
    loss(clerk)

    worked(run)

    assert (run.state, Student.objects.get().age) == (RunState.FAILED, 20)
    assert "权限" in run.message and "没有写入任何数据" in run.message


@pytest.mark.parametrize("loss", [narrow, take_rights])
def test_an_undo_leaves_what_the_person_may_not_change(clerk, loss, sent_tasks):
    run = prepared(clerk, RunState.UNDOING)
    loss(clerk)

    worked(run)

    assert (run.state, run.counts, Student.objects.get().age) == (RunState.UNDONE, {"kept": 1}, 77)
    assert run.rows.get().errors == [["学员", "您现在没有修改的权限"]]


@pytest.mark.parametrize("loss", [narrow, take_rights])
def test_a_deletion_and_its_undo_leave_others_students(clerk, loss, sent_tasks):
    own, other = students("自己", created_by=clerk.user) + students("别人")
    chosen = Student.objects.all()
    mark = mark_of(chosen.values_list("pk", flat=True))
    run = deletion_start(students=chosen, mark=mark, user_pk=clerk.user.pk, now=timezone.now())
    if loss is narrow:
        narrow(clerk)
        worked(run)
        assert [*Student.objects.values_list("name", flat=True)] == ["别人"]
        assert TransferRow.objects.get(kind=RowKind.SKIPPED).errors == [["学员", "您现在没有删除的权限"]]
        return
    worked(run)
    run_undo(run=run, user_pk=clerk.user.pk, now=timezone.now())
    take_rights(clerk)

    worked(run)

    assert (run.state, run.counts, Student.objects.count()) == (RunState.UNDONE, {"kept": 2}, 0)


def test_pictures_are_given_to_those_only_whom_the_person_may_change_by_then(clerk, settings, tmp_path, sent_tasks):
    settings.MEDIA_ROOT = str(tmp_path)
    own, other = students("自己", created_by=clerk.user) + students("别人")
    file = SimpleUploadedFile("a.zip", zipped({f"{one.name}.png": encoded() for one in (own, other)}))
    clerk.browser.post(f"{RUNS}photos/", {"file": file})
    run = worked(TransferRun.objects.get())
    choice = {"use": [str(row.number) for row in run.rows.all()], "do": "confirm"}
    clerk.browser.post(page_of(run), choice)
    narrow(clerk)

    worked(run)

    pictures = dict(Student.objects.values_list("name", "headimgurl"))
    assert pictures["自己"] and not pictures["别人"]
    assert "没有修改这名学员的权限" in str(run.rows.get(kind=RowKind.ERROR).errors)
