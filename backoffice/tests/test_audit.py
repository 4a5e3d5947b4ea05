"""Who changed what, when, before and after, whichever door it came through."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from backoffice.audit import WATCHED, changes_of, entries_purge
from backoffice.tasks import purge
from config.celery import app
from core.audit import MASK, audited
from payments.models import Payment, PaymentLog, Refund
from shop.models import OrderLog
from students.tests.factories import student as new_student
from tests.kit import save_page

pytestmark = pytest.mark.django_db


def newest(record: Any) -> LogEntry:
    return LogEntry.objects.get_for_object(record).order_by("-pk")[0]


def make_student(**fields: Any) -> Any:
    row = new_student(**{"name": "李四", "city": "南京"} | fields)
    row.save()
    return row


def test_names_the_caller_of_the_api(lbw: Any) -> None:
    student = make_student()

    lbw.post("/students/updatestu", {"sId": student.sid, "name": "王五"}, headers={"X-Request-Id": "abcdefgh12345"})

    entry = newest(student)
    assert (entry.actor, entry.remote_addr, entry.cid) == (lbw.user, "127.0.0.1", "abcdefgh12345")
    assert [(c.field, c.before, c.after) for c in changes_of(entry)] == [("姓名", "李四", "王五")]


def test_names_the_user_of_the_back_office(office: Client, root: Any, roles: Any) -> None:
    role = roles["200"]
    changes = {"name": "职员", "menu": "[]", "rows": "/students/getstulist", "buttons": ["read", "add"]}

    save_page(office, reverse("admin:permissions_role_change", args=[role.pk]), permissions=[], **changes)

    entries = LogEntry.objects.get_for_object(role).filter(actor=root.user)
    words = {c.field: (c.before, c.after) for entry in entries for c in changes_of(entry)}
    assert words["角色名称"] == ("员工", "职员")
    assert words["按钮权限"] == ("查看", "查看、新增")
    assert "后台权限（移除）" in words


def test_shows_nothing_of_a_password(person: Any) -> None:
    user = person("wang").user
    user.set_password("another-password")
    user.save()

    entries = LogEntry.objects.get_for_object(user)

    kept = str([(entry.changes, entry.serialized_data) for entry in entries])
    assert "argon2" not in kept and "md5" not in kept and "another" not in kept
    assert [(c.field, c.before, c.after) for c in changes_of(newest(user))] == [("密码", MASK, MASK)]


def test_sees_an_update_without_signals(person: Any) -> None:
    user = person("wang").user

    with audited(User.objects.filter(pk=user.pk)):
        User.objects.filter(pk=user.pk).update(is_active=False)

    assert [(c.field, c.before, c.after) for c in changes_of(newest(user))] == [("启用", "是", "否")]


def test_lists_all_changes_without_counting_them_all_and_nobody_changes_one(
    office: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        student = make_student()
    student.city = "成都"
    student.save()

    with django_assert_max_num_queries(12):
        page = office.get(reverse("admin:auditlog_logentry_changelist")).content.decode()
    entry = LogEntry.objects.latest("pk")
    detail = office.get(reverse("admin:auditlog_logentry_change", args=[entry.pk]))
    history = office.get(reverse("admin:students_student_history", args=[student.pk])).content.decode()

    assert page.count("李四") >= 3 and LogEntry.objects.filter(actor=None, remote_addr=None).exists()
    for text in (detail.content.decode(), history):
        assert "南京" in text and "成都" in text
    assert office.post(reverse("admin:auditlog_logentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert office.get(reverse("admin:auditlog_logentry_add")).status_code == 403
    assert LogEntry.objects.filter(pk=entry.pk).exists()


def test_is_searched_by_object_key_person_or_request(office: Client, lbw: Any) -> None:
    own, other = make_student(name="王五"), make_student(name="谭鹏")
    lbw.post("/students/updatestu", {"sId": own.sid, "name": "王小五"}, headers={"X-Request-Id": "abcdefgh12345"})
    entry = newest(own)

    def found(text: str) -> list[LogEntry]:
        answer: Any = office.get(reverse("admin:auditlog_logentry_changelist"), {"q": text})
        return list(answer.context_data["cl"].result_list)

    assert [entry] == found("王小") == found("abcdefgh12345") == found("lbw")
    assert newest(other) in found(str(other.pk)) and entry not in found(str(other.pk))
    assert found("小五") == found("lb") == []


def test_watches_every_model_that_staff_can_change(root: Any, rf: Any) -> None:
    """A new admin page whose records can be changed must be watched, or keep a log of its own."""

    own_log = {"shop.Order", "payments.Payment", "payments.Refund", "payments.InboundEvent"}
    own_log |= {"payments.Difference", "payments.BillRun"}  # each keeps who ended it, and how
    own_log |= {"students.ArchivedStudent"}  # its moves stand in the history of the student
    request = rf.get("/")
    request.user = root.user
    changeable = {m._meta.label for m, page in admin.site._registry.items() if page.has_change_permission(request)}

    assert changeable <= WATCHED.keys() | own_log


@pytest.mark.parametrize(("days", "left"), [(365, [364]), (0, [364, 366, 399, 400]), (400, [364, 366, 399]), (30, [])])
def test_old_entries_go_when_the_setting_says_with_the_sessions_that_have_ended(
    office: Client, settings: Any, days: int, left: list[int]
) -> None:
    now = timezone.now()
    ended = Session.objects.create(session_key="ended", expire_date=now - timedelta(seconds=1))
    LogEntry.objects.all().delete()
    for age in (400, 399, 366, 364):
        make_student(name=f"{age}天")
        LogEntry.objects.filter(object_repr__contains=f"{age}天").update(timestamp=now - timedelta(days=age))
    settings.AUDIT_KEEP_DAYS = days

    entries_purge(now=now, batch=2)
    purge()

    kept = LogEntry.objects.order_by("-timestamp").values_list("object_repr", flat=True)
    assert [int(name.partition("天")[0]) for name in kept] == left
    assert not Session.objects.filter(pk=ended.pk).exists()
    assert office.get(reverse("admin:index")).status_code == 200


def test_old_entries_leave_the_log_of_money_alone(stock: dict[str, Any]) -> None:
    long_ago = timezone.now() - timedelta(days=4000)
    models = {PaymentLog: "at", OrderLog: "at", Payment: "created_at", Refund: "created_at"}
    for model, field in models.items():
        assert model.objects.update(**{field: long_ago})
    app.loader.import_default_modules()

    for entry in app.conf.beat_schedule.values():
        if "purge" in entry["task"]:
            app.tasks[entry["task"]]()

    assert all(model.objects.exists() for model in models)
