"""Who changed what, when, before and after, by any way; and that a flood of attempts cannot fill the list."""

import re
from contextlib import suppress
from datetime import timedelta
from html import unescape

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.models import LoginMethod, User
from accounts.services import login_records
from backoffice.audit import STAFF_ACTIONS, WATCHED, changes_of, entries_purge
from backoffice.tasks import purge
from config.celery import app
from core import audit
from core.api.request import answering
from core.audit import MASK, StaffAction, audited, changes_record
from core.observe import tracing
from payments.models import Payment, PaymentLog, Refund
from permissions.models import Role
from shop.models import Category, OrderLog
from shop.order_states import Event, OrderAction, State
from shop.services.order_move import order_note
from shop.services.order_step import order_step
from shop.tests.factories import by_hand
from students.bulk import students_change
from students.models import Student
from students.recorded_changes import change_record
from students.run_facts import UndoNote
from students.tests.factories import student as new_student
from tests.kit import posted_of, save_page

pytestmark = pytest.mark.django_db
LIST = reverse("admin:auditlog_logentry_changelist")


def newest(record):
    return LogEntry.objects.get_for_object(record).order_by("-pk")[0]


def make_student(**fields):
    row = new_student(**{"name": "李四", "city": "南京"} | fields)
    row.save()
    return row


def test_names_the_caller_of_the_api_and_is_searched_by_object_key_person_or_request(office, lbw):
    own, other = make_student(name="王五"), make_student(name="谭鹏")

    lbw.post("/students/updatestu", {"sId": own.sid, "name": "王小五"}, headers={"X-Request-Id": "abcdefgh12345"})

    entry = newest(own)
    assert (entry.actor, entry.remote_addr, entry.cid) == (lbw.user, "127.0.0.1", "abcdefgh12345")
    assert [(c.field, c.before, c.after) for c in changes_of(entry)] == [("姓名", "王五", "王小五")]

    def entries_with(text):
        answer = office.get(LIST, {"q": text})
        return list(answer.context_data["cl"].result_list)

    assert [entry] == entries_with("王小") == entries_with("abcdefgh12345") == entries_with("lbw")
    assert newest(other) in entries_with(str(other.pk)) and entry not in entries_with(str(other.pk))
    assert entries_with("小五") == entries_with("lb") == []


def test_one_action_on_many_is_one_entry_with_the_others_behind_it(office, root):
    students = [make_student(name=f"李{n}", class_name="H51901") for n in range(3)]
    changes = [{"city": ("南京", "成都")} for _ in students]
    tracing.begin("abcdefgh12345")  # as a task does

    students_change(students, changes, actor_pk=root.user.pk, now=timezone.now())

    page = office.get(LIST, {"kind": LogEntry.Action.UPDATE})
    [entry] = page.context_data["cl"].result_list
    text = page.text
    assert "城市 南京 → 成都" in text and "等 3 条" in text
    behind = office.get(LIST, {"q": entry.cid})
    assert {row.object_repr for row in behind.context_data["cl"].result_list} == {str(one) for one in students}
    found = office.get(LIST, {"q": "李2"})
    assert LogEntry.Action.UPDATE in {row.action for row in found.context_data["cl"].result_list}
    detail = office.get(reverse("admin:auditlog_logentry_change", args=[entry.pk])).text
    assert f"?q={entry.cid}" in detail


def test_one_action_on_objects_of_several_kinds_is_one_entry_and_each_kind_has_its_first(office, root):
    students = [make_student(name=f"李{n}", class_name="H51901") for n in range(3)]
    LogEntry.objects.all().delete()
    with answering(office.get(LIST).wsgi_request):
        tracing.begin("abcdefgh12345")
        changes = [{"class_name": ("H51901", "H51902")} for _ in students]
        note = UndoNote("rename", before="H51901", after="H51902")
        change_record("改名", students, changes, user_pk=root.user.pk, now=timezone.now(), note=note)
        Category.objects.create(category_id="1", name="车", created_at=timezone.now())

    def shown(**query):
        return [str(entry.content_type) for entry in office.get(LIST, query).context_data["cl"].result_list]

    assert [name.split(" | ")[-1] for name in shown(day="today")] == ["批量操作记录"]
    assert "等 5 条" in office.get(LIST).text
    assert len(shown(kind=LogEntry.Action.UPDATE)) == len(shown(kind=LogEntry.Action.CREATE)) == 1
    assert "等 3 条" in office.get(LIST, {"model": "students.student"}).text
    assert len(shown(q="abcdefgh12345")) == 5
    assert set(LogEntry.objects.values_list("remote_addr", flat=True)) == {"127.0.0.1"}


def test_an_action_that_changes_its_first_object_in_two_ways_counts_each_entry_behind_it(office, roles):
    LogEntry.objects.all().delete()
    with answering(office.get(LIST).wsgi_request):
        tracing.begin("abcdefgh12345")
        roles["200"].name = "职员"
        roles["200"].save()
        roles["200"].permissions.clear()
        Category.objects.create(category_id="1", name="车", created_at=timezone.now())

    page = office.get(LIST).content.decode()
    links = re.findall(r'href="(\?q=[^"]*)" class="text-link">等 (\d+) 条', page)
    assert [number for _, number in links] == ["3", "3"]  # of the role's name and of its rights
    behind = office.get(LIST + unescape(links[0][0])).context_data["cl"].result_list
    assert len(behind) == LogEntry.objects.count() == 3


def test_an_entry_that_is_rolled_back_hides_none_behind_it(office):
    students = [make_student(name=f"李{n}") for n in range(4)]
    with answering(office.get(LIST).wsgi_request):
        for student in students:
            with suppress(ValueError), transaction.atomic():
                student.city = "成都"
                student.save()
                if student is students[0]:
                    raise ValueError

    page = office.get(LIST, {"kind": LogEntry.Action.UPDATE})

    [entry] = page.context_data["cl"].result_list
    assert entry.object_repr == str(students[1]) and "等 3 条" in page.text


def test_names_the_user_of_the_back_office(office, root, roles):
    role = roles["200"]
    changes = {"name": "职员", "menu": "[]", "rows": "/students/getstulist", "buttons": ["read", "add"]}

    save_page(office, reverse("admin:permissions_role_change", args=[role.pk]), permissions=[], **changes)

    entries = LogEntry.objects.get_for_object(role).filter(actor=root.user)
    words = {c.field: (c.before, c.after) for entry in entries for c in changes_of(entry)}
    assert words["角色名称"] == ("员工", "职员")
    assert words["按钮权限"] == ("查看", "查看、新增")
    assert "后台权限（移除）" in words


def test_shows_nothing_of_a_password_and_sees_an_update_without_signals(person):
    user = person("wang").user
    user.set_password("another-password")
    user.save()

    trail = str([(row.changes, row.serialized_data) for row in LogEntry.objects.get_for_object(user)])
    assert "argon2" not in trail and "md5" not in trail and "another" not in trail
    assert [(c.field, c.before, c.after) for c in changes_of(newest(user))] == [("密码", MASK, MASK)]

    with audited(User.objects.filter(pk=user.pk)):
        User.objects.filter(pk=user.pk).update(is_active=False)

    assert [(c.field, c.before, c.after) for c in changes_of(newest(user))] == [("启用", "是", "否")]


def test_lists_all_changes_without_counting_them_all_and_none_can_be_changed(office, django_assert_max_num_queries):
    for _ in range(3):
        student = make_student()
    student.city = "成都"
    student.save()

    with django_assert_max_num_queries(12):
        page = office.get(LIST).text
    entry = LogEntry.objects.latest("pk")
    detail = office.get(reverse("admin:auditlog_logentry_change", args=[entry.pk]))
    history = office.get(reverse("admin:students_student_history", args=[student.pk])).text

    assert page.count("李四") >= 3 and LogEntry.objects.filter(actor=None, remote_addr=None).exists()
    for text in (detail.text, history):
        assert "南京" in text and "成都" in text
    assert office.post(reverse("admin:auditlog_logentry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert office.get(reverse("admin:auditlog_logentry_add")).status_code == 403
    assert LogEntry.objects.filter(pk=entry.pk).exists()


def test_watches_every_model_that_staff_can_change(root, rf):
    """A new admin page whose records can be changed must be watched, or keep a log of its own."""

    own_log = {"shop.Order", "payments.Payment", "payments.Refund", "payments.InboundEvent"}
    own_log |= {"payments.Difference", "payments.BillRun"}  # each keeps who ended it, and how
    own_log |= {"students.ArchivedStudent"}  # its moves stand in the history of the student
    request = rf.get("/")
    request.user = root.user
    changeable = {m._meta.label for m, page in admin.site._registry.items() if page.has_change_permission(request)}

    assert changeable <= WATCHED.keys() | own_log


@pytest.mark.parametrize(("days", "rest"), [(365, [364]), (0, [364, 366, 399, 400]), (400, [364, 366, 399]), (30, [])])
def test_old_entries_go_when_the_setting_says_with_the_sessions_that_have_ended(office, settings, days, rest):
    now = timezone.now()
    ended = Session.objects.create(session_key="ended", expire_date=now - timedelta(seconds=1))
    LogEntry.objects.all().delete()
    for age in (400, 399, 366, 364):
        make_student(name=f"{age}天")
        LogEntry.objects.filter(object_repr__contains=f"{age}天").update(timestamp=now - timedelta(days=age))
    settings.AUDIT_KEEP_DAYS = days

    entries_purge(now=now, batch=2)
    purge()

    names = LogEntry.objects.order_by("-timestamp").values_list("object_repr", flat=True)
    assert [int(name.partition("天")[0]) for name in names] == rest
    assert not Session.objects.filter(pk=ended.pk).exists()
    assert office.get(reverse("admin:index")).status_code == 200


def test_old_entries_leave_the_log_of_money_alone(stock):
    long_ago = timezone.now() - timedelta(days=4000)
    models = {PaymentLog: "at", OrderLog: "at", Payment: "created_at", Refund: "created_at"}
    for model, field in models.items():
        assert model.objects.update(**{field: long_ago})
    app.loader.import_default_modules()

    for entry in app.conf.beat_schedule.values():
        if "purge" in entry["task"]:
            app.tasks[entry["task"]]()

    assert all(model.objects.exists() for model in models)


def actions(*kinds):
    return list(LogEntry.objects.filter(action__in=kinds or STAFF_ACTIONS).order_by("pk"))


def press(browser, page, pk, name, **typed):
    """Press a button of a record and confirm it."""
    address = reverse(f"admin:{page}_change", args=[pk])
    return browser.post(address, posted_of(browser.post(address, {f"step_{name}": "1"})) | {"sure": "1", **typed})


class TestOfStaff:
    def test_a_parcel_sent_by_staff_is_there_and_what_the_buyer_does_is_not(self, office, root, stock):
        order, shipped = stock["orders"][State.PAID], stock["orders"][State.SHIPPED]
        order_step(order_id=shipped.order_id, event=Event.RECEIVE, actor="王五", now=timezone.now())
        assert shipped.logs.filter(to_state=State.RECEIVED).exists() and actions() == []

        press(office, "shop_order", order.pk, "ship", **by_hand(order))

        [entry] = actions()
        assert (entry.action, entry.actor, entry.object_repr) == (OrderAction.SHIP, root.user, order.order_id)
        page = office.get(f"{LIST}?day=today&kind={OrderAction.SHIP}").text
        assert order.order_id in page and "待发货 → 已发货" in page

    def test_a_refund_is_there_once_with_its_amount(self, office, root, stock):
        order = stock["orders"][State.SHIPPED]
        payment = stock["payment"]
        payment.out_trade_no = order.order_id
        payment.save()
        Refund.objects.all().delete()

        press(office, "shop_order", order.pk, "refund")

        [entry] = actions(OrderAction.REFUND)
        assert (entry.actor, entry.changes["金额"][1]) == (root.user, "12.50元")
        assert entry.object_repr.startswith(order.order_id)

    def test_what_another_did_in_a_request_is_not_ones_own(self, person, stock, rf):
        request = rf.get("/admin/shop/order/")
        request.user = person("lisi", "102", is_staff=True).user
        order = stock["orders"][State.SHIPPED]

        def note(actor):
            with answering(request):
                order_note(order=order, event=Event.SHIP, actor=actor, now=timezone.now())

        note("li")
        assert actions() == []

        note("lisi")
        assert [entry.actor for entry in actions()] == [request.user]


def test_refused_logins_stand_beside_successful_ones_up_to_a_limit(api, person, monkeypatch):
    wang = person("wang", "102", is_staff=True).user
    person("li")  # no member of staff

    for username in ("li", "a-typed-password"):
        api.post("/users/login", {"username": username, "password": "a-password"})
    for password in ("false", "a-password"):
        api.post("/users/login", {"username": "wang", "password": password})
    Client().post("/admin/login/", {"username": "wang", "password": "a-password"})

    assert [(entry.action, entry.actor, entry.changes["入口"][1]) for entry in actions()] == [
        (StaffAction.LOGIN_REFUSED, None, "接口"),
        (StaffAction.LOGIN, wang, "接口"),
        (StaffAction.LOGIN, wang, "后台"),
    ]
    monkeypatch.setattr(login_records, "MAX_REFUSALS_AN_HOUR", 3)
    now = timezone.now()
    for number in range(8):
        context = login_records.LoginContext(method=LoginMethod.API, ip=f"192.0.2.{number}", now=now)
        for _ in range(2):
            login_records.attempt_record(context, outcome=login_records.Outcome.WRONG, username="wang")
    assert len(actions(StaffAction.LOGIN_REFUSED)) == 3


def test_the_list_filters_by_person_object_and_day(office, staff, person, stock):
    people = {name: person(name, "102", is_staff=True).user for name in ("wang", "zhao")}
    for name, user in people.items():
        for action in (OrderAction.REFUND, OrderAction.SHIP):
            changes = {"金额": ["", f"{name} 12.50元"]}
            LogEntry.objects.log_create(stock["refund"], action=action, changes=changes, actor=user)

    head = staff("102").get(f"{LIST}?day=today&kind={OrderAction.REFUND}")
    text = head.text
    assert [entry.actor.username for entry in head.context["cl"].result_list] == ["zhao", "wang"]
    assert "wang 12.50元" in text and f"?day=today&amp;kind={OrderAction.SHIP}" in text

    def shown(query):
        return len(office.get(f"{LIST}?{query}").context["cl"].result_list)

    assert shown(f"person={people['wang'].pk}&kind={OrderAction.REFUND},{OrderAction.SHIP}") == 2
    assert shown("model=payments.refund") == 4 and shown("model=payments.refund&day=yesterday") == 0
    assert shown("q=20261101000000003") == 4
    LogEntry.objects.all().delete()
    assert shown("person=x&kind=x&day=x&model=x") == 0


def edit(caller, student, **fields):
    return caller.post("/students/updatestu", {"sId": student.sid} | fields)


def test_a_burst_of_the_same_change_is_one_entry(root, zhuguan):
    student = make_student(name="王芳")
    LogEntry.objects.all().delete()

    for name in ("甲", "乙", "丙"):
        assert edit(root, student, name=name).json()["state"] is True
    edit(root, student, city="成都")
    edit(zhuguan, student, name="丁")
    LogEntry.objects.update(timestamp=timezone.now() - 2 * audit.BURST)
    edit(zhuguan, student, name="戊")

    entries = [(entry.actor.username, entry.changes) for entry in LogEntry.objects.order_by("pk")]
    assert [(actor, changes.get("name")) for actor, changes in entries] == [
        ("root", ["王芳", "丙"]),
        ("root", None),
        ("zhuguan", ["丙", "丁"]),
        ("zhuguan", ["丁", "戊"]),
    ]


@pytest.mark.parametrize(("address", "number"), [("10.0.0.9", 1), ("127.0.0.1", 2), ("127.0.0.1", 1)])
def test_a_burst_takes_over_neither_what_came_from_elsewhere_nor_the_line_of_an_action_on_many(root, address, number):
    students = [make_student(name=f"李{n}") for n in range(number)]
    LogEntry.objects.all().delete()
    tracing.begin("abcdefgh12345")
    with answering(RequestFactory(REMOTE_ADDR=address).get("/")):
        changes_record([(student, {"city": ["上海", "南京"]}) for student in students], actor_pk=root.user.pk)

    edit(root, students[0], city="苏州")

    changes = [entry.changes["city"] for entry in LogEntry.objects.get_for_object(students[0]).order_by("pk")]
    is_one_burst = (address, number) == ("127.0.0.1", 1)
    assert changes == ([["上海", "苏州"]] if is_one_burst else [["上海", "南京"], ["南京", "苏州"]])


def test_after_too_many_changes_nothing_is_written_for_a_while(root, zhuguan, monkeypatch):
    monkeypatch.setattr(audit, "MAX_ENTRIES", {"minute": (3, 60)})
    student = make_student(name="王芳")
    refusals = [edit(root, student, name=f"名{number}").status_code for number in range(5)]

    assert refusals == [200, 200, 200, 429, 429]
    assert Student.objects.get().name == "名2"
    assert edit(zhuguan, student, name="别人").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("/category/addCategory", {"categoryName": "车"}, Category),
        ("/permission/addrole", {"roleid": "9"}, Role),
        ("/students/delstu", {}, Student),
    ],
)
def test_what_is_refused_has_not_happened(root, monkeypatch, path, body, model):
    monkeypatch.setattr(audit, "MAX_ENTRIES", {"minute": (0, 60)})
    sid = make_student(name="王芳").sid
    before = model.objects.count()

    answer = root.get(path, sId=sid) if "del" in path else root.post(path, body)

    assert (answer.status_code, answer.json()["status"]) == (429, 429)
    assert model.objects.count() == before


def test_changes_are_made_without_valkey(root, valkey_down):
    assert edit(root, make_student(name="王芳"), name="甲").json()["state"] is True
