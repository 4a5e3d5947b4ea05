"""Whoever deletes a record, its picture goes with it; whoever writes one, its picture stays."""

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services.scan_login import user_of
from accounts.services.users import avatar_set
from accounts.wechat import WechatProfile
from students.models import Student
from tests.kit import encoded, posted, save_page
from uploads.models import Upload
from uploads.services import image_adopt, image_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def picture() -> Upload:
    return Upload.objects.get(pk=image_store(file=posted(encoded()), user_pk=None, now=timezone.now()).pk)


@pytest.fixture
def li(person, picture):
    client = person("li")
    avatar_set(user_pk=client.user.pk, url=picture.url_path)
    return client


def is_in_use(picture: Upload) -> bool:
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

    li.post("/users/updateUser", {"unid": li.user.unid, "headimgurl": picture.url_path})
    assert is_in_use(picture)

    page = f"/admin/accounts/user/{li.user.pk}/change/"
    for address, stays in (("https://a.example/1.png", False), (picture.url_path, True)):
        assert save_page(office, page, nickname="李", headimgurl=address).status_code == 302
        assert is_in_use(picture) is stays
    texts = dict.fromkeys(("unionid", "sex", "city", "province", "country"), "")
    profile = WechatProfile(appid="wx1", openid="o1", nickname="李", headimgurl="https://a.example/1.png", **texts)
    User.objects.filter(pk=li.user.pk).update(wechat_appid="wx1", openid="o1")
    user_of(profile)  # WeChat's picture replaces it
    assert not is_in_use(picture)
