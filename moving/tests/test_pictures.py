"""Pictures of the old server: taken in once, shown under new addresses, kept by the sweep."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts.models import User
from moving.tests.test_people import student, user
from moving.tests.test_shop import CATEGORY, DETAIL, ORDER, PRODUCT, one
from shop.models import Category, OrderLine, Product
from students.models import Student
from tests.kit import encoded
from uploads.errors import ImageRefused
from uploads.models import Upload
from uploads.services import image_store, orphans_remove

HOSTS = ("", "http://www.old.example", "https://cdn.old.example:8443", "//106.0.2.128", "http://[no-host")


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.STATE_DIR = tmp_path
    return tmp_path / "media"


@pytest.fixture
def old(tmp_path):
    """What lay in the old server's folder for static files."""
    for name in ("avatar/1.png", "avatar/图 2.png", "imgs/1.png", "productPic/1.png"):
        (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / name).write_bytes(encoded())
    (tmp_path / "old/avatar/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "old/avatar/large.png").write_bytes(b"x" * (5 * 1024**2 + 1))
    (tmp_path / "secret.png").write_bytes(encoded())
    return tmp_path / "old"


@pytest.fixture
def bring(transactional_db, media, move):
    return lambda records, **options: move.command(move.dump(records), **options)


def stored(address, media):
    path = urlsplit(address)
    assert address.startswith("/media/")
    return (media / Path(path.path).relative_to("/media")).is_file()


def test_pictures_of_every_record_are_taken_in_once_and_stay(bring, old, media):
    address = "http://www.old.example/productPic/1.png"
    dump = {
        "users": [user(headimgurl="/avatar/图 2.png?t=1")],
        "students": [
            student(sId=f"ABCD0000000{at}", headimgurl=f"{host}/avatar/1.png") for at, host in enumerate(HOSTS)
        ],
        "product_categorys": [one(CATEGORY, categoryImgurl="/imgs/1.png")],
        "products": [one(PRODUCT, imageUrl=address)],
        "order_masters": [one(ORDER)], "order_details": [one(DETAIL, imageUrl=address)],
    }  # fmt: skip

    output = bring(dump, pictures=old)

    assert "图片：收下 4，拒绝 0，缺少 0，改写地址 9\n" in output
    addresses = [*Student.objects.values_list("headimgurl", flat=True), User.objects.get().headimgurl]
    addresses += [Category.objects.get().image_url, Product.objects.get().image_url, OrderLine.objects.get().image_url]
    assert all(stored(address, media) for address in addresses)
    assert len(set(addresses)) == Upload.objects.count() == 4
    assert orphans_remove(now=timezone.now() + timedelta(days=30)) == 0
    assert all(stored(address, media) for address in addresses)


def test_pictures_may_come_later_and_again_and_addresses_elsewhere_are_left_alone(bring, old, media):
    dump = {"students": [student(headimgurl="/avatar/1.png")]}

    assert "还有 1 个地址指向旧服务器的图片" in bring(dump)
    assert Student.objects.get().headimgurl == "/avatar/1.png"
    bring(dump, pictures=old)
    address = Student.objects.get().headimgurl
    assert stored(address, media)
    assert "图片：收下 0，拒绝 0，缺少 0，改写地址 0\n" in bring(dump, pictures=old)
    assert Student.objects.get().headimgurl == address and Upload.objects.count() == 1

    Student.objects.all().delete()
    elsewhere = ["https://wx.qlogo.cn/mmopen/1", "https://pictures.example/x/avatar/1.png",
                 "http://gone.example/avatar/no.png"]  # fmt: skip
    bring({"students": [student(sId=f"ABCD0000000{at}", headimgurl=url) for at, url in enumerate(elsewhere)]})
    assert list(Student.objects.order_by("pk").values_list("headimgurl", flat=True)) == elsewhere


def test_what_has_no_picture_is_tried_once_reported_with_a_reason_and_waits_for_one(bring, move, old):
    kinds = ["/avatar/broken.png", "/avatar/large.png", "/avatar/none.png", "/avatar/../../secret.png"]
    kinds.append("/avatar/%2e%2e/%2e%2e/secret.png")
    dump = {"students": [student(sId=f"A{at}", headimgurl=path) for at, path in enumerate(kinds * 2)]}

    assert "图片：收下 0，拒绝 0，缺少 2，改写地址 0\n" in bring(dump, pictures=old, check=True)
    output = bring(dump, pictures=old)

    assert "图片：收下 0，拒绝 2，缺少 2，改写地址 0\n" in output and "还有 10 个地址" in output
    assert sorted(Student.objects.values_list("headimgurl", flat=True)) == sorted(kinds * 2)
    assert not Upload.objects.exists()
    rows = [(row["文档"], row["结果"], row["原因"]) for row in move.problems() if row["集合"] == "图片"]
    assert sorted(rows) == [
        (kinds[3], "缺少", "图片不在图片目录中"),
        (kinds[0], "拒绝", ImageRefused.msg),
        (kinds[1], "拒绝", "图片不能超过5MB"),
        (kinds[2], "缺少", "图片不在图片目录中"),
    ]


def test_a_picture_chosen_meanwhile_stays(bring, old, monkeypatch):
    def choose(**options):
        Student.objects.update(headimgurl="https://chosen.example/1.png")
        return image_store(**options)

    monkeypatch.setattr("moving.pictures.image_store", choose)

    bring({"students": [student(headimgurl="/avatar/1.png")]}, pictures=old)

    assert Student.objects.get().headimgurl == "https://chosen.example/1.png"
