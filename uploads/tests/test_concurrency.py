"""Two at the same moment, over real connections."""

from datetime import timedelta
from functools import partial

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from tests.kit import at_once, during, encoded, posted
from uploads.models import ImageUse, Upload
from uploads.services import image_adopt, image_store, orphans_remove

pytestmark = pytest.mark.django_db(transaction=True)


def due():
    now = timezone.now() - timedelta(hours=25)
    return Upload.objects.get(pk=image_store(file=posted(encoded()), user_pk=None, now=now).pk)


def test_a_sweep_waits_for_an_adoption_under_way_and_then_keeps_the_picture():
    upload = due()

    adopt = partial(image_adopt, url=upload.url_path, owner="shop.Product:1")
    assert during(adopt, lambda: orphans_remove(now=timezone.now())) == 0

    assert default_storage.exists(upload.name)
    assert Upload.objects.filter(pk=upload.pk, removed_at=None).exists()


def test_an_adoption_that_comes_while_the_file_goes_is_told(monkeypatch):
    upload = due()
    answers = []
    real = default_storage.delete

    def delete(name):
        answers.extend(at_once([lambda: image_adopt(url=upload.url_path, owner="shop.Product:1")]))
        real(name)

    monkeypatch.setattr(default_storage, "delete", delete)

    assert orphans_remove(now=timezone.now()) == 1
    assert answers == [False]


def test_two_sweeps_at_once_remove_each_orphan_once():
    for _ in range(6):
        due()

    removed = at_once([lambda: orphans_remove(now=timezone.now())] * 3)

    assert not Upload.objects.exists()
    assert sum(removed) == 6


def test_records_that_swap_pictures_at_once_do_not_deadlock():
    first, second = due(), due()
    image_adopt(url=first.url_path, owner="shop.Product:1")
    image_adopt(url=second.url_path, owner="shop.Product:2")

    def swap(owner, url):
        for _ in range(10):
            image_adopt(url=url, owner=owner)

    swaps = {"shop.Product:1": second, "shop.Product:2": first}
    at_once([partial(swap, owner, upload.url_path) for owner, upload in swaps.items()])

    assert {use.owner: use.upload for use in ImageUse.objects.all()} == swaps
    assert Upload.objects.filter(idle_since=None).count() == 2


def test_edits_of_one_record_at_once_leave_one_reference_and_no_picture_kept_for_nothing():
    pictures = [due() for _ in range(6)]

    at_once([lambda p=p: image_adopt(url=p.url_path, owner="students.Student:7") for p in pictures])

    upload_id = ImageUse.objects.get().upload_id
    assert list(Upload.objects.filter(idle_since=None).values_list("pk", flat=True)) == [upload_id]
