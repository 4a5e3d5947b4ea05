"""Addresses of pictures after a server has moved: ours become paths, others follow their server."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from moving.rebase import addresses_of_pictures
from shop.models import Category, OrderLine, Product
from shop.tests.factories import make_order, make_product
from students.models import ArchivedStudent, Student
from students.services import students_archive
from students.tests.factories import students
from tests.kit import encoded, posted
from uploads.services import image_store

pytestmark = pytest.mark.django_db
PLACES = [(Student, "headimgurl"), (ArchivedStudent, "headimgurl"), (User, "headimgurl")]
PLACES += [(Category, "image_url"), (Product, "image_url"), (OrderLine, "image_url")]
FOREIGN = "http://192.168.1.7:8000/media/2026/11/0123456789abcdef0123456789abcdef.png"


@pytest.fixture
def path(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return image_store(file=posted(encoded()), user_pk=None, now=timezone.now()).url_path


@pytest.fixture
def everywhere(person):
    """Let every record with a picture have the one at ``address``."""
    product = make_product()
    make_order(person("li").user, product)
    archived, _ = students("何一诺", "林子轩")
    students_archive(pks=[archived.pk], actor_pk=None, now=timezone.now())

    def write(address):
        for model, field in PLACES:
            assert model.objects.update(**{field: address})

    return write


def addresses():
    return {address for model, field in PLACES for address in model.objects.values_list(field, flat=True)}


def findings():
    return [(finding.ok, finding.what) for finding in addresses_of_pictures()]


def test_our_own_pictures_lose_their_host_in_every_record(path, everywhere):
    everywhere(f"https://school.example{path}")
    assert findings() == [(False, f"{User.objects.count() + 5} 张自己的图片存着 https://school.example 开头的地址")]

    call_command("pictures_rebase")

    assert addresses() == {path} and [is_fine for is_fine, _ in findings()] == [True]


@pytest.mark.parametrize(
    "address",
    ["", FOREIGN, "http://wx.qlogo.cn/a/132", "/media/2026/11/x.png", "http://a.b/x?u=http://a.b{}", "http://a.b{}/"],
)
def test_what_is_not_ours_stays(path, everywhere, address):
    address = address.format(path)
    everywhere(address)

    call_command("pictures_rebase")

    assert addresses() == {address}


def test_addresses_of_another_server_follow_it_and_ours_among_them_become_paths(path, everywhere):
    everywhere(FOREIGN)
    Student.objects.update(headimgurl=f"http://192.168.1.7:8000{path}")
    Category.objects.update(image_url="http://192.168.1.7:80001/a.png")
    Product.objects.update(image_url="http://192.168.1.7:8000/" + "x" * 476)  # would be too long

    call_command("pictures_rebase", "http://192.168.1.7:8000/", "https://pictures.other.example")

    expected = {path, "http://192.168.1.7:80001/a.png", "http://192.168.1.7:8000/" + "x" * 476}
    assert addresses() == expected | {FOREIGN.replace("http://192.168.1.7:8000", "https://pictures.other.example")}
    assert [is_fine for is_fine, _ in findings()] == [None]


@pytest.mark.parametrize(
    "bases", [["http://a.b"], ["a.b", "http://c.d"], ["http://a.b", "/media"], ["http://a.b/?x", "http://c"]]
)
def test_anything_but_two_addresses_is_refused(bases):
    with pytest.raises(CommandError):
        call_command("pictures_rebase", *bases)
