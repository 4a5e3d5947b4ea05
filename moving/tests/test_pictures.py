"""Pictures of the old server: taken in once, shown under new addresses, kept by the sweep."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from accounts.models import User
from moving.pictures import PLACES, old_path
from moving.tests.dumps import documents_make
from moving.tests.test_people import STUDENT, student, user
from moving.tests.test_shop import CATEGORY, DETAIL, ORDER, PRODUCT, one
from shop.models import Category, OrderLine, Product
from students.models import Student
from tests.kit import encoded
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


def test_the_report_of_a_dirty_dump_agrees_with_the_database_and_the_media_folder(bring, move, old, media):
    for folder in ("avatar", "imgs", "productPic"):
        for number in range(1, 8):  # 8 and 9 are missing, as is "lost"
            (old / folder / f"{number}.png").write_bytes(encoded() if number < 7 else b"no picture")

    output = bring(documents_make(students=60, users=30, orders=10), pictures=old)

    addresses = [one for place in PLACES for one in place.model.objects.values_list(place.field, flat=True)]
    ours = [address for address in addresses if address.startswith("/media/")]
    old_paths = [path for address in addresses if (path := old_path(address))]
    missing = {path for path in old_paths if not (old / path[1:]).exists()}
    refusals = {*old_paths} - missing
    assert len(refusals) > 1 and len(missing) > 2
    counts = (len(set(ours)), len(refusals), len(missing), len(ours))  # several records share a picture
    assert "图片：收下 {}，拒绝 {}，缺少 {}，改写地址 {}\n".format(*counts) in output
    assert counts[0] == Upload.objects.count() == len([one for one in media.rglob("*") if one.is_file()]) < counts[3]
    assert f"还有 {len(old_paths)} 个地址" in output
    expected = {("图片", path, "拒绝") for path in refusals} | {("图片", path, "缺少") for path in missing}
    assert expected == {("图片", row["文档"], row["结果"]) for row in move.problems() if row["集合"] == "图片"}


@pytest.mark.parametrize("path", ["/avatar/none.png", "/avatar/../../secret.png", "/avatar/%2e%2e/%2e%2e/secret.png"])
def test_a_path_to_no_picture_waits_for_one_and_is_reported(bring, old, path):
    dump = {"students": [student(headimgurl=path), student(sId="B", headimgurl="/avatar/broken.png")]}

    assert "图片：收下 0，拒绝 0，缺少 1，改写地址 0\n" in bring(dump, pictures=old, check=True)
    assert "图片：收下 0，拒绝 1，缺少 1，改写地址 0\n" in bring(dump, pictures=old) and not Upload.objects.exists()
    assert Student.objects.get(sid=STUDENT["sId"]).headimgurl == path


@pytest.mark.parametrize(("name", "reason"), [("broken", "图片"), ("large", "不能超过5MB")])
def test_what_is_no_picture_is_refused_once_with_a_reason(bring, move, old, name, reason):
    people = [user(unid=f"n{n}", username=f"u{n}", headimgurl=f"/avatar/{name}.png") for n in range(250)]

    output = bring({"users": people}, pictures=old)

    assert "图片：收下 0，拒绝 1，缺少 0，改写地址 0\n" in output and not Upload.objects.exists()
    assert reason in move.problems()[-1]["原因"]


def test_a_picture_chosen_meanwhile_stays(bring, old, monkeypatch):
    def choose(**options):
        Student.objects.update(headimgurl="https://chosen.example/1.png")
        return image_store(**options)

    monkeypatch.setattr("moving.pictures.image_store", choose)

    bring({"students": [student(headimgurl="/avatar/1.png")]}, pictures=old)

    assert Student.objects.get().headimgurl == "https://chosen.example/1.png"
