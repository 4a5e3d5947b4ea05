"""A picture is deleted with its record, by any way of deleting; a record that is written keeps its picture."""

from datetime import timedelta
from functools import partial

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.scan_login import user_find_or_create
from accounts.services.users import avatar_set
from accounts.wechat import WechatProfile
from students.models import Student
from tests.kit import at_once, during, encoded, meeting, posted, save_page
from uploads.models import ImageUse, Upload
from uploads.services import image_adopt, image_release, image_store, orphans_remove

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("undecoded")]
LIST = "/admin/uploads/upload/"


def stored(hours_ago=0):
    now = timezone.now() - timedelta(hours=hours_ago)
    return Upload.objects.get(pk=image_store(file=posted(encoded()), user_pk=None, now=now).pk)


@pytest.fixture
def picture():
    return stored()


@pytest.fixture
def li(person, picture):
    client = person("li")
    avatar_set(user_pk=client.user.pk, url=picture.url_path)
    return client


def is_in_use(picture):
    picture.refresh_from_db()
    assert picture.uses.exists() is (picture.idle_since is None)
    return picture.uses.exists()


@pytest.mark.parametrize("way", ["API", "back office", "shell"])
def test_a_deleted_users_avatar_goes_too(way, root, office, li, picture):
    assert is_in_use(picture)
    pk = li.user.pk

    match way:
        case "API":
            assert root.get("/users/deleteUser", unid=li.user.unid).json()["state"] is True
        case "back office":
            office.post(f"/admin/accounts/user/{pk}/delete/", {"post": "yes"})
        case "shell":
            User.objects.filter(pk=pk).delete()

    assert not User.objects.filter(pk=pk).exists()
    assert not is_in_use(picture)


def test_a_deleted_students_photograph_goes_too(zhuguan, picture):  # the back office keeps it: see students' deletion
    facts = {"name": "李", "age": 20, "class_name": "H1", "city": "x", "degree": "x", "product_url": "x"}
    student = Student.objects.create(**facts, description="x", headimgurl=picture.url_path)
    image_adopt(url=picture.url_path, owner=student.owner_ref)

    zhuguan.get("/students/delstu", sId=student.sid)

    assert not Student.objects.exists()
    assert not is_in_use(picture)


def test_an_avatar_stays_whichever_call_sets_it(root, office, person, picture):
    li = person("li")

    for value in (posted(encoded()), picture.url_path):
        li.post("/users/updateUser", {"unid": li.user.unid, "headimgurl": value}, format="multipart")
        li.user.refresh_from_db()
        assert is_in_use(Upload.objects.get(name=li.user.headimgurl.removeprefix("/media/")))
    assert is_in_use(picture) and Upload.objects.filter(idle_since=None).count() == 1

    page = f"/admin/accounts/user/{li.user.pk}/change/"
    for address, stays in (("https://a.example/1.png", False), (picture.url_path, True)):
        assert save_page(office, page, nickname="李", headimgurl=address).status_code == 302
        assert is_in_use(picture) is stays
    texts = dict.fromkeys(("unionid", "sex", "city", "province", "country"), "")
    profile = WechatProfile(appid="wx1", openid="o1", nickname="李", headimgurl="https://a.example/1.png", **texts)
    User.objects.filter(pk=li.user.pk).update(wechat_appid="wx1", openid="o1", password="!")
    user_find_or_create(profile)  # of an account without a password WeChat's picture replaces it
    assert not is_in_use(picture)


def sweep():
    return orphans_remove(now=timezone.now())


def test_an_orphan_goes_after_a_day_with_its_file():
    old, young = stored(25), stored()
    default_storage.delete(stored(25).name)  # a missing file does not stop it

    assert sweep() == 2

    assert list(Upload.objects.all()) == [young]
    assert not default_storage.exists(old.name)
    assert default_storage.exists(young.name)


def test_a_shared_picture_stays_until_its_last_owner_lets_go():
    upload = stored(25)
    for number in (1, 2):
        assert image_adopt(url=f"http://any.host{upload.url_path}?x=1", owner=f"shop.Product:{number}")
    assert sweep() == 0 and default_storage.exists(upload.name)

    for number, is_kept in ((1, True), (2, False)):
        image_release(owner=f"shop.Product:{number}")
        assert is_in_use(upload) is is_kept


@pytest.mark.parametrize(
    "url",
    ["", "https://wx.qlogo.cn/a.png", "http://[bad", "/media/../settings.py", "/media/2026/11/" + "0" * 32 + ".jpg"],
)
def test_what_is_not_ours_is_passed_over(picture, url):
    image_adopt(url=picture.url_path, owner="shop.Product:1")

    assert image_adopt(url=url, owner="shop.Product:1") is False

    assert not is_in_use(picture)


def test_pictures_are_listed_with_a_preview_and_their_owner_and_for_looking_only(
    office, picture, django_assert_max_num_queries
):
    def shown(used):
        return office.get(LIST, {"used": used}).content.decode().count("<img src=")

    assert (shown("yes"), shown("no")) == (0, 1)
    for owner in ("shop.Product:1", "shop.Product:2:a.png", "students.TransferRow:7"):
        image_adopt(url=picture.url_path, owner=owner)

    with django_assert_max_num_queries(12):
        page = office.get(LIST).content.decode()

    assert f'src="{picture.url_path}"' in page
    for pk in (1, 2):
        assert f'href="/admin/shop/product/{pk}/change/">商品 #{pk}</a>' in page
    assert "已删除、还能恢复的学员 #7" in page and "TransferRow" not in page
    assert picture.url_path in office.get(f"{LIST}{picture.pk}/change/").content.decode()
    assert office.get(f"{LIST}add/").status_code == 403
    assert office.post(f"{LIST}{picture.pk}/delete/", {"post": "yes"}).status_code == 403
    assert office.post(f"{LIST}{picture.pk}/change/", {"name": "x"}).status_code == 403
    assert Upload.objects.get().name == picture.name


@pytest.mark.django_db(transaction=True)
class TestAtTheSameInstant:
    def test_a_sweep_waits_for_an_adoption_under_way_and_then_keeps_the_picture(self):
        upload = stored(25)

        assert during(partial(image_adopt, url=upload.url_path, owner="shop.Product:1"), sweep) == 0

        assert default_storage.exists(upload.name) and is_in_use(upload)

    def test_an_adoption_that_comes_while_the_file_goes_is_told(self, monkeypatch):
        upload, answers, delete = stored(25), [], default_storage.delete

        def adopted_before(name):
            answers.extend(at_once([lambda: image_adopt(url=upload.url_path, owner="shop.Product:1")]))
            delete(name)

        monkeypatch.setattr(default_storage, "delete", adopted_before)

        assert sweep() == 1
        assert answers == [False]

    def test_two_sweeps_remove_each_orphan_once(self):
        for _ in range(6):
            stored(25)

        assert sum(at_once([sweep] * 3)) == 6

        assert not Upload.objects.exists()

    def test_pictures_are_locked_in_one_order_so_that_records_which_swap_them_do_not_deadlock(self):
        first, second = stored(), stored()
        image_adopt(url=second.url_path, owner="shop.Product:1")
        is_locked, is_waited_for = meeting(), meeting()

        def another_record():
            rows = Upload.objects.select_for_update(no_key=True)
            with transaction.atomic():
                rows.get(pk=first.pk)
                is_locked()
                is_waited_for()
                rows.get(pk=second.pk)

        def record():
            is_locked()
            return image_adopt(url=first.url_path, owner="shop.Product:1")

        assert at_once([another_record, record]) == [None, True]
        assert is_in_use(first) and not is_in_use(second)

    def test_edits_of_one_record_leave_one_reference_and_no_picture_kept_for_nothing(self):
        pictures = [stored() for _ in range(6)]

        at_once([partial(image_adopt, url=picture.url_path, owner="students.Student:7") for picture in pictures])

        upload_id = ImageUse.objects.get().upload_id
        assert list(Upload.objects.filter(idle_since=None).values_list("pk", flat=True)) == [upload_id]
