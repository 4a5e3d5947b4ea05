"""What pictures without a record may take, the space that stays free, and a bucket that does not answer."""

import os
import re
import subprocess
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.files.storage import InMemoryStorage, default_storage
from django.utils import timezone

from core.upstreams import FAILURES
from operations import health
from tests.kit import at_once, encoded, meet_at, posted
from uploads import budget
from uploads.doctor import room_for_pictures, store_of_pictures
from uploads.errors import TooManyUnused
from uploads.models import Upload
from uploads.services import image_adopt, image_release, image_store, images_release, orphans_remove
from uploads.store import BUCKET
from uploads.tasks import remove_orphans

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("undecoded")]

PATH = "/upload/uploadImg"
NOBODY = 65534
FULL = {"status": 429, "state": False, "msg": "上传后没有使用的图片太多,请稍后再试"}
NO_ROOM = {"status": 503, "state": False, "msg": "服务器存储空间不足,暂时不能上传图片"}


@contextmanager
def unprivileged(home):
    """Act as nobody, who owns ``home``, where we are root, whom no mode stops."""
    if os.geteuid():
        yield
        return
    os.chown(home, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(autouse=True)
def one_mb(settings):
    """Room for 16 small pictures: 8 of strangers, 4 of one sender."""
    settings.MEDIA_UNUSED_MB = 1
    settings.TRUSTED_PROXIES = 1


def send(api, address="1.1.1.1"):
    return api.post(PATH, {"img": posted(encoded())}, format="multipart", headers={"X-Forwarded-For": address})


def row(sender="user:1", size_bytes=1, now=None):
    name, now = f"2026/11/{uuid4().hex}.png", now or timezone.now()
    return Upload(name=name, size_bytes=size_bytes, width=1, height=1, sender=sender, created_at=now, idle_since=now)


def rows(number, **facts):
    for _ in range(number):
        row(**facts).save()


class TestSenders:
    def test_a_stranger_and_a_user_wherever_from_get_a_quarter_and_then_a_clear_refusal(
        self, api, yuangong, lbw, on_disk
    ):
        for client, addresses in ((api, ["1.1.1.1"] * 5), (yuangong, [f"1.1.1.{n}" for n in range(5)])):
            answers = [send(client, address) for address in addresses]

            assert [answer.status_code for answer in answers] == [200] * 4 + [429]
            assert (answers[4].json(), answers[4]["Retry-After"]) == (FULL, "600")
        assert len(on_disk()) == Upload.objects.count() == 8
        assert "1.1" not in Upload.objects.first().sender  # the row does not tell the address
        assert send(api, "2.2.2.2").status_code == send(lbw, "1.1.1.1").status_code == 200

    def test_all_strangers_together_leave_half_to_those_who_are_logged_in(self, api, yuangong):
        for address in ("1.1.1.1", "2.2.2.2"):
            rows(4, sender=budget.sender_of(None, address))

        assert send(api, "3.3.3.3").status_code == 429
        assert send(yuangong, "3.3.3.3").status_code == 200
        with pytest.raises(TooManyUnused):
            budget.insert_within_budget(row(sender="user:9", size_bytes=300_000))  # as large as it is
        rows(7, sender="user:0")
        assert send(yuangong).json() == FULL  # the whole
        image_store(file=posted(encoded()), user_pk=None, now=timezone.now())  # a picture of ours counts for no sender


class TestWhatCounts:
    def test_a_picture_in_use_or_of_a_deleted_owner_does_not_but_one_that_another_replaced(self, yuangong):
        owners = [f"students.Student:{n}" for n in range(6)]
        for owner in owners:
            assert image_adopt(url=send(yuangong).json()["imgUrl"], owner=owner)
        image_release(owner=owners[0])
        images_release(owners=owners[1:])
        for _ in range(4):
            image_adopt(url=send(yuangong).json()["imgUrl"], owner="shop.Product:1")

        assert [send(yuangong).status_code for _ in range(2)] == [200, 429]
        Upload.objects.exclude(idle_since=None).update(idle_since=timezone.now() - timedelta(hours=25))
        remove_orphans()
        assert [send(yuangong).status_code for _ in range(5)] == [200] * 4 + [429]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_of_many_at_once_as_many_are_taken_as_fit(monkeypatch, is_locked):
    rows(2)
    uploads = [row() for _ in range(6)]
    if not is_locked:
        meet_at(monkeypatch, "uploads.budget.unused_bytes", count=6, is_after=True)
        monkeypatch.setattr(budget, "_lock_budget", lambda: None)

    works = [partial(budget.insert_within_budget, upload) for upload in uploads]
    taken = at_once(works, refusals=(TooManyUnused,)).count(None)

    assert taken == (2 if is_locked else 6) and Upload.objects.count() == 2 + taken


class TestTheDisk:
    @pytest.fixture
    def free_mb(self, monkeypatch, settings):
        settings.MEDIA_FREE_MB = 100

        def set_to(number):
            usage = SimpleNamespace(free=number * budget.MB)
            monkeypatch.setattr(budget.shutil, "disk_usage", lambda folder: usage)

        return set_to

    def test_so_much_stays_free_for_any_sender(self, api, root, on_disk, free_mb):
        free_mb(99)

        for client in (api, root):
            answer = send(client)
            assert (answer.status_code, answer.json(), answer["Retry-After"]) == (503, NO_ROOM, "600")
        assert on_disk() == [] and not Upload.objects.exists()
        free_mb(100)
        assert send(api).status_code == 200

    def test_a_bucket_has_no_floor(self, api, settings, free_mb):
        free_mb(0)
        settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}

        assert send(api).status_code == 200
        assert next(room_for_pictures()).ok is None

    def test_the_back_office_says_it_in_the_form(self, office, free_mb):
        free_mb(0)

        page = office.post("/admin/shop/category/add/", {"name": "车", "picture": posted(encoded())})

        assert page.context["adminform"].form.errors["picture"] == [NO_ROOM["msg"]]

    def test_doctor_and_health_name_a_folder_that_takes_none(self, api, settings, tmp_path):
        settings.MEDIA_ROOT = str(tmp_path)
        assert [finding.ok for finding in store_of_pictures()] == [True]
        assert [path.name for path in tmp_path.rglob("*") if path.name.startswith("doctor")] == []

        (tmp_path / "file").touch()
        settings.MEDIA_ROOT = str(tmp_path / "file")  # as root's folder is for another user

        (finding,) = store_of_pictures()
        assert finding.ok is False and settings.MEDIA_ROOT in finding.what
        shell = ["sh", "-c", re.search("`(.*)`", finding.do)[1]]
        assert subprocess.run(shell, capture_output=True).returncode == 0  # it can be pasted as it stands
        health._pictures.cache_clear()
        assert api.get("/health/whole").json()["checks"]["pictures"] == "NotADirectoryError"

    @pytest.mark.parametrize("place", ["", "%Y", "%Y/%m"])
    def test_doctor_names_a_folder_that_takes_none_now_or_when_the_next_month_or_year_begins(self, settings, place):
        with TemporaryDirectory() as root, unprivileged(root):
            settings.MEDIA_ROOT = root
            assert [finding.ok for finding in store_of_pictures()] == [True]
            folder = Path(root, f"{timezone.localtime():{place}}" if place else "")

            folder.chmod(0o555)
            (finding,) = store_of_pictures()
            folder.chmod(0o700)

        assert finding.ok is False and str(folder) in finding.what

    @pytest.mark.parametrize(("free", "unused", "expected"), [(100, 0, [True, True]), (99, 13, [False, False])])
    def test_doctor_tells_before_and_when_uploads_are_refused(self, free_mb, free, unused, expected):
        free_mb(free)
        rows(unused)

        findings = list(room_for_pictures())

        assert [finding.ok for finding in findings] == expected
        assert [bool(finding.do) for finding in findings] == [not ok for ok in expected]


class Bucket(InMemoryStorage):
    """It may store a picture and then be silent; ``requests`` counts what it gets."""

    is_silent = False
    requests = 0

    def _save(self, name, content):
        type(self).requests += 1
        super()._save(name, content)
        return self._answer(name)

    def _open(self, name, mode="rb"):
        type(self).requests += 1
        return self._answer(super()._open(name, mode))

    def _answer(self, value):
        if self.is_silent:
            raise TimeoutError("no answer")
        return value


@pytest.fixture
def bucket(settings, monkeypatch):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Bucket"}}
    monkeypatch.setattr(Bucket, "is_silent", False)
    monkeypatch.setattr(Bucket, "requests", 0)
    BUCKET.forget()
    yield Bucket
    BUCKET.forget()


def test_what_it_stored_without_an_answer_is_removed_with_its_row(api, bucket):
    bucket.is_silent = True
    assert send(api).status_code == 503
    [row] = Upload.objects.all()
    assert default_storage.exists(row.name)
    bucket.is_silent = False

    assert orphans_remove(now=timezone.now()) == 1

    assert not default_storage.exists(row.name)
    assert not Upload.objects.exists()


def test_a_dead_one_is_not_asked_by_those_who_store_or_look(api, bucket):
    path = send(api).json()["imgUrl"].removeprefix("http://testserver")
    assert api.http.get(path).status_code == 200
    bucket.is_silent, before = True, bucket.requests
    looked = [api.http.get(path).status_code for _ in range(FAILURES)]
    assert (looked, bucket.requests - before) == ([503] * FAILURES, FAILURES)

    refusals = [api.http.get(path), send(api)]

    assert [answer.status_code for answer in refusals] == [503, 503]
    assert all(int(answer["Retry-After"]) >= 1 and answer.json()["state"] is False for answer in refusals)
    assert bucket.requests - before == FAILURES
    assert Upload.objects.filter(removed_at=None).count() == 1


def test_a_missing_picture_says_nothing_about_it(api, bucket):
    for _ in range(FAILURES + 1):
        assert api.http.get(f"/media/2026/11/{'0' * 32}.png").status_code == 404

    assert send(api).status_code == 200
