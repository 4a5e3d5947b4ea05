from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from tests.kit import encoded, posted
from uploads.models import Upload
from uploads.services import image_adopt, image_release, image_store, orphans_remove

pytestmark = pytest.mark.django_db


def stored() -> Upload:
    image = image_store(file=posted(encoded()), user_pk=None, now=timezone.now())
    return Upload.objects.get(pk=image.pk)


def aged(upload: Upload) -> Upload:
    Upload.objects.filter(pk=upload.pk).update(idle_since=timezone.now() - timedelta(hours=25))
    return upload


def test_an_orphan_goes_after_a_day_with_its_file():
    old, young = aged(stored()), stored()
    default_storage.delete(aged(stored()).name)  # a missing file does not stop it

    assert orphans_remove(now=timezone.now()) == 2

    assert list(Upload.objects.all()) == [young]
    assert not default_storage.exists(old.name)
    assert default_storage.exists(young.name)


def test_a_shared_picture_stays_until_its_last_owner_lets_go():
    upload = aged(stored())
    for number in (1, 2):
        assert image_adopt(url=f"http://any.host{upload.url_path}?x=1", owner=f"shop.Product:{number}")
    assert orphans_remove(now=timezone.now()) == 0 and default_storage.exists(upload.name)

    image_release(owner="shop.Product:1")
    upload.refresh_from_db()
    assert upload.idle_since is None

    image_release(owner="shop.Product:2")
    upload.refresh_from_db()
    assert upload.idle_since is not None


@pytest.mark.parametrize(
    "url",
    ["", "https://wx.qlogo.cn/a.png", "http://[bad", "/media/../settings.py", "/media/2026/11/" + "0" * 32 + ".jpg"],
)
def test_what_is_not_ours_is_passed_over(url):
    upload = stored()
    image_adopt(url=upload.url_path, owner="shop.Product:1")

    assert image_adopt(url=url, owner="shop.Product:1") is False

    upload.refresh_from_db()
    assert upload.idle_since is not None
