"""Who may only look prints the class list; files and imports need their rights."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from students.models import RunKind, TransferRun
from students.tests.factories import students
from students.tests.transfers import LIST, RUNS
from tests.kit import logged_in

pytestmark = pytest.mark.django_db


def test_who_may_look_prints_and_takes_no_file_and_files_and_imports_take_their_own_rights(person, roles):
    students("谭鹏", "<b>", class_name="H1")
    students("李雷", class_name="H2")
    now = timezone.now()
    run = TransferRun.objects.create(kind=RunKind.IMPORT, state="done", created_at=now, phase_at=now)
    browser = logged_in(person("clerk", "200", is_staff=True).user)
    export, paper, page = f"{LIST}export/?format=csv", f"{LIST}print/", f"{RUNS}{run.pk}/change/"

    def codes(verbs, *addresses):
        names = [f"{verb}_student" for verb in verbs]
        roles["200"].permissions.set(Permission.objects.filter(codename__in=names))
        return [browser.get(address).status_code for address in addresses]

    runs = [f"{RUNS}{run.pk}/{what}/" for what in ("change", "progress", "result")]
    assert set(codes(["view"], export, f"{RUNS}import/", f"{RUNS}template.csv", RUNS, *runs)) == {403}
    sheet = browser.get(paper, {"class": "H1"}).content.decode()
    assert "H1 班学员名单" in sheet and "谭鹏" in sheet and "&lt;b&gt;" in sheet and "李雷" not in sheet
    shown = browser.get(LIST).content.decode()
    assert "打印名单" in shown and "Excel" not in shown and "导入学员" not in shown
    imports = [RUNS, f"{RUNS}import/", f"{RUNS}photos/", page]
    assert codes(["view", "export"], export, "/admin/core/export/", *imports) == [200] * 2 + [403] * 4
    assert "Excel" in browser.get(LIST).content.decode()
    assert codes(["view", "add", "change"], page, export) == [200, 403]
    assert codes(["export"], paper, export) == [403, 403]


def test_the_list_is_what_was_filtered_and_not_too_long(office, monkeypatch):
    monkeypatch.setattr("students.class_sheet.MOST_PRINTED", 2)
    students("谭一", "谭二", "李三", class_name="H1")

    assert office.get(f"{LIST}print/", {"q": "谭"}).content.decode().count("<tr>") == 3
    for query, told in (({"class": "H1"}, "一次最多打印 2 名"), ({"class": "H9"}, "没有符合条件")):
        answer = office.get(f"{LIST}print/", query, follow=True)
        assert told in answer.content.decode() and answer.redirect_chain == [(f"{LIST}?class={query['class']}", 302)]
    assert (
        office.get(f"{LIST}print/", {"q": "\x00", "class": "x" * 999, "age_from": "y"}, follow=True).status_code == 200
    )
