"""What one account of a practice server may have, and how fast it may call; everybody else sees nothing of it."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.utils import timezone

from accounts.errors import CeilingReached
from accounts.services import practice_ceilings
from permissions.scope import scope_of
from sandbox.callers import PaceMiddleware
from shop.models import Category
from shop.tests.test_api_catalogue import PRODUCT
from students.models import Student
from students.services import student_add
from students.tests.factories import FIELDS, student
from tests.kit import at_once, encoded, envelope, meet_at, posted

pytestmark = pytest.mark.django_db


@pytest.fixture
def practice(settings):
    settings.PRACTICE, settings.KIND = True, "practice"
    settings.PRACTICE_STUDENTS, settings.PRACTICE_PRODUCTS, settings.PRACTICE_PICTURES_MB = 2, 2, 1
    settings.PRACTICE_SESSIONS = settings.PRACTICE_ROOMS = 2
    return settings


def add_student(client):
    return envelope(client.post("/students/addstu", FIELDS))


def test_students_products_and_categories_end_with_the_reason_in_practice_alone(practice, lbw, root):
    for client, outcomes in ((lbw, [True, True, False]), (root, [True] * 3)):
        answers = [add_student(client) for _ in range(3)]
        assert [state for _, state, _ in answers] == outcomes
    assert add_student(lbw) == (10010, False, "练习账号最多2名学员,请先删除一些")
    assert Student.objects.filter(created_by=lbw.user.pk).count() == 2

    names = [lbw.post("/category/addCategory", {"categoryName": f"c{n}"}) for n in range(3)]
    assert envelope(names[2]) == (10010, False, "练习账号最多2个类目,请先删除一些")
    category = Category.objects.filter(created_by=lbw.user.pk).first().category_id
    product = PRODUCT | {"category_id": category}
    answers = [envelope(lbw.post("/product/add_product", product)) for _ in range(3)]
    assert [state for _, state, _ in answers] == [True, True, False], answers
    assert answers[2][::2] == (10010, "练习账号最多2件商品,请先删除一些")
    practice.PRACTICE = False
    assert add_student(lbw)[1]


def test_sessions_and_rooms_end_with_the_reason(practice, lbw):
    """A session costs a row for each student: three a day of a hundred years are 50 million."""
    add_student(lbw)
    calls = {
        "/attendance/open": [{"class": FIELDS["class"], "date": f"2026-11-0{day}"} for day in (1, 2, 3)],
        "/dorm/addRoom": [{"building": "1", "room": f"10{number}", "beds": 4} for number in (1, 2, 3)],
    }

    last = {}
    for path, bodies in calls.items():
        *first, last[path] = [envelope(lbw.post(path, body)) for body in bodies]
        assert [state for _, state, _ in first] == [True, True], first

    assert last == {
        "/attendance/open": (10010, False, "练习账号最多2场考勤(24 小时内),请过些时候再开"),
        "/dorm/addRoom": (10010, False, "练习账号最多2间宿舍,请先删除一些"),
    }


def test_pictures_end_with_the_reason(practice, lbw, monkeypatch):
    monkeypatch.setattr("uploads.budget.MB", 300)  # bytes

    answers = [lbw.post("/upload/uploadImg", {"img": posted(encoded())}, format="multipart").json() for _ in range(6)]

    assert answers[0]["state"]
    assert (answers[5]["status"], answers[5]["msg"]) == (10010, "练习账号最多1 MB 图片,请先删除一些")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_the_last_one_is_added_once_of_many_at_the_same_instant(practice, zhuguan, monkeypatch, is_locked):
    """Each has counted before one of them writes, as far as the lock lets them."""
    meet_at(monkeypatch, "students.services.ceiling_keep", count=6, is_after=True)
    if not is_locked:
        monkeypatch.setattr(practice_ceilings, "_is_limited", lambda user_pk: True)
    names = ("name", "age", "class_name", "city", "degree", "product_url", "description")
    facts = {name: getattr(student(), name) for name in names} | {"created_by_id": zhuguan.user.pk}

    at_once([lambda: student_add(**facts, now=timezone.now())] * 6, refusals=(CeilingReached,))

    assert Student.objects.filter(created_by=zhuguan.user).count() == (2 if is_locked else 6)


def test_an_account_calls_twenty_times_a_second_and_the_others_as_often(practice, zhuguan, lbw, monkeypatch):
    practice.PRACTICE_CALLS = 3
    # A window of an hour, so that a slow machine counts as well.
    monkeypatch.setattr("permissions.gate._PACE_S", 3600)

    answers = [zhuguan.get("/verify") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429]
    assert int(answers[3]["Retry-After"]) > 0 and answers[3].json()["state"] is False
    open_call = zhuguan.get("/users/getCaptcha")
    assert open_call.status_code == 429, "it counts for whose token it carries"
    assert lbw.get("/verify").status_code == 200
    practice.PRACTICE = False
    assert zhuguan.get("/verify").status_code == 200


def test_a_network_asks_the_stand_ins_so_often_and_our_own_processes_without_end(practice, rf, monkeypatch):
    practice.PRACTICE_CALLS = 2
    monkeypatch.setattr("sandbox.callers._PACE_S", 3600)
    middleware = PaceMiddleware(lambda request: HttpResponse())

    def statuses(path, number, **head):
        return [middleware(rf.get(path, **head)).status_code for _ in range(number)]

    stranger, other = {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}, {"HTTP_X_FORWARDED_FOR": "203.0.113.8"}
    practice.TRUSTED_PROXIES = 1
    assert statuses("/sandbox/tianqi/api", 3, **stranger) == [200, 200, 429]
    assert statuses("/sandbox/control/requests", 21, **stranger) == [200] * 20 + [429]
    assert statuses("/sandbox/tianqi/api", 1, **other) == statuses("/docs/", 1, **stranger) == [200]
    assert statuses("/sandbox/tianqi/api", 3) == [200] * 3


def test_every_account_but_root_has_a_school_of_its_own(practice, zhuguan, lbw, root):
    add_student(zhuguan)
    assert [client.get("/students/getstulist").json()["total"] for client in (zhuguan, lbw, root)] == [1, 0, 1]
    assert scope_of(AnonymousUser()).is_narrow
