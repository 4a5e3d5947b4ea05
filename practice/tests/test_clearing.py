"""Unused accounts of a practice server, and those of a class that ended, are cleared; a week before they are told."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import User
from accounts.selectors import users_over
from accounts.tokens import family_begin
from practice.services import accounts_clear
from practice.tasks import clear
from shop.models import Product
from shop.services.catalogue import catalogue_clear
from shop.tests.factories import make_order
from students.models import Student
from students.tests.factories import students
from tests.kit import during, encoded
from uploads.models import ImageUse, Upload

pytestmark = pytest.mark.django_db
PASSWORD = "a-password"


@pytest.fixture
def practice(settings):
    settings.PRACTICE, settings.KIND = True, "practice"
    return settings


@pytest.fixture
def aged(person):
    """Make a user who logged in so many days ago."""

    def aged(username, days, **fields):
        client = person(username, class_name="H5", last_login=timezone.now() - timedelta(days=days), **fields)
        User.objects.filter(pk=client.user.pk).update(created_at=timezone.now() - timedelta(days=90))
        return client

    return aged


def names():
    return sorted(User.objects.values_list("username", flat=True))


def test_whoever_is_idle_or_whose_class_is_over_goes_with_what_was_entered(practice, aged, root):
    now = timezone.now()
    idle, busy = aged("idle", 30), aged("busy", 29)
    aged("ended", 1, ends_at=now)
    aged("ending", 1, ends_at=now + timedelta(hours=1))
    aged("teacher", 90, is_staff=True)
    User.objects.filter(pk=root.user.pk).update(last_login=None, created_at=now - timedelta(days=90))
    for client in (idle, busy):
        students("谭鹏", sid=client.user.username, created_by=client.user)
    order = make_order(idle.user)

    practice.PRACTICE = False
    clear()
    assert len(names()) == 6, "a production or a development clears nobody"
    practice.PRACTICE = True
    clear()
    clear()

    assert names() == ["busy", "ending", "root", "teacher"]
    assert Student.objects.get().sid == "busy"
    order.refresh_from_db()
    assert (order.user, order.username) == (None, "idle")


def test_a_login_or_a_refresh_gives_the_time_back(practice, aged, api):
    aged("login", 31), aged("refresh", 31)
    tokens = family_begin(user=User.objects.get(username="refresh"), access_s=None)
    assert users_over(timezone.now()).count() == 2

    assert api.post("/users/login", {"username": "login", "password": PASSWORD}).json()["state"]
    assert api.post("/users/refresh", {"refresh": tokens.refresh}).json()["state"]

    assert not users_over(timezone.now()).exists()


def test_pictures_of_what_is_cleared_are_released_but_for_those_that_orders_show(practice, person, tmp_path):
    practice.MEDIA_ROOT = tmp_path
    li = person("li", "102")
    category = li.post("/category/addCategory", {"categoryName": "茶"}).json()["category_id"]
    numbers = []
    for name, colour in (("绿茶", "green"), ("红茶", "red")):
        picture = SimpleUploadedFile("a.png", encoded("PNG", color=colour))
        url = li.post("/upload/uploadImg", {"img": picture}, format="multipart").json()["imgUrl"]
        fields = {"category_id": category, "productName": name, "price": "1", "inventory": "5", "description": "x"}
        numbers.append(li.post("/product/add_product", fields | {"imageUrl": url}).json()["product_id"])
    assert li.post("/pay/pre_order", {"product_id": numbers[1], "quantity": 1}).json()["state"]

    catalogue_clear(user_pks=[li.user.pk], now=timezone.now())

    [use] = ImageUse.objects.all()
    assert use.owner.startswith(f"shop.Product:{Product.objects.get(product_id=numbers[1]).pk}:")
    assert Upload.objects.filter(uses=None, idle_since__isnull=False).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_a_login_while_it_is_cleared_keeps_the_account(practice, aged, monkeypatch, is_locked):
    li = User.objects.filter(pk=aged("li", 31).user.pk)
    if not is_locked:  # what was read before the login decides
        monkeypatch.setattr("practice.services.users_over", lambda now: Unlocked(users_over(now)))

    cleared = during(
        lambda: li.update(last_login=timezone.now()), lambda: accounts_clear(pks=[li.get().pk], now=timezone.now())
    )

    assert (cleared, names()) == ((0, ["li"]) if is_locked else (1, []))


class Unlocked:
    def __init__(self, rows):
        self.rows = rows

    def select_for_update(self, **_):
        return self.rows


@pytest.mark.parametrize(
    ("days", "ends_in", "notice"),
    [
        (22, None, None),
        (23, None, "这个账号有23天没有使用:满30天会清空并删除"),
        (1, 8, None),
        (1, 6, "班级已经结束:{}清空并删除这个账号"),
    ],
)
def test_a_login_says_it_a_week_before_and_the_class_room_shows_it(
    practice, aged, api, office, settings, days, ends_in, notice
):
    ends_at = timezone.now() + timedelta(days=ends_in) if ends_in else None
    aged("li", days, ends_at=ends_at)
    page = office.get("/admin/classroom/").text
    assert ("1 个一周内清空" in page) == bool(notice)

    body = api.post("/users/login", {"username": "li", "password": PASSWORD}).json()

    assert body.get("notice") == (
        notice and notice.format(f"{timezone.localtime(ends_at):%Y-%m-%d}" if ends_at else "")
    )
    if not ends_in:
        again = api.post("/users/login", {"username": "li", "password": PASSWORD}).json()
        assert "notice" not in again
    settings.PRACTICE = False
    aged("wang", days, ends_at=ends_at)
    assert "notice" not in api.post("/users/login", {"username": "wang", "password": PASSWORD}).json()
