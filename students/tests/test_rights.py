"""Who may only look prints the class list; all else takes a right of its own."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from students.models import RunKind, RunState, SchoolClass, TransferRun
from students.recorded_changes import edit_mark
from students.tests.factories import students
from students.tests.transfers import LIST, RUNS, page_of, text_of
from tests.kit import logged_in

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
