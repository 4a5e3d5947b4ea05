import pytest
from django.utils import timezone

from tests.kit import encoded, posted
from uploads.models import Upload
from uploads.services import image_adopt, image_store

pytestmark = pytest.mark.django_db

LIST = "/admin/uploads/upload/"


@pytest.fixture
def upload() -> Upload:
    return Upload.objects.get(pk=image_store(file=posted(encoded()), user_pk=None, now=timezone.now()).pk)


def test_pictures_are_listed_with_a_preview_and_their_owner_and_for_looking_only(
    office, upload, django_assert_max_num_queries
):
    def shown(used):
        return office.get(LIST, {"used": used}).content.decode().count("<img src=")

    assert (shown("yes"), shown("no")) == (0, 1)
    for owner in ("shop.Product:1", "students.TransferRow:7"):
        image_adopt(url=upload.url_path, owner=owner)

    with django_assert_max_num_queries(12):
        page = office.get(LIST).content.decode()

    assert f'src="{upload.url_path}"' in page
    assert 'href="/admin/shop/product/1/change/">商品 #1</a>' in page
    assert "已删除、还能恢复的学员 #7" in page and "TransferRow" not in page
    assert upload.url_path in office.get(f"{LIST}{upload.pk}/change/").content.decode()
    assert office.get(f"{LIST}add/").status_code == 403
    assert office.post(f"{LIST}{upload.pk}/delete/", {"post": "yes"}).status_code == 403
    assert office.post(f"{LIST}{upload.pk}/change/", {"name": "x"}).status_code == 403
    assert Upload.objects.get().name == upload.name
