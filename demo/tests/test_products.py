import pytest

from core import times
from demo.data import accounts_reset, demo_reset, demo_seed
from demo.products import CATEGORY_IDS, PRODUCT_IDS, products_reset
from shop.models import Category, Product
from shop.services.catalogue import catalogue_clear
from shop.tests.factories import make_category, make_product
from tests.kit import encoded, posted
from uploads.models import ImageUse
from uploads.services import image_store

pytestmark = pytest.mark.django_db


def catalogue():
    columns = ("product_id", "name", "price", "stock", "description", "vip_level", "category__name", "pk")
    return list(Product.objects.filter(removed_at=None).order_by("product_id").values_list(*columns))


def test_makes_the_seeds_categories_and_products_with_pictures(yuangong):
    products_reset(now=times.now())

    assert dict(Category.objects.values_list("name", "category_id")) == CATEGORY_IDS
    rows = yuangong.get("/product/get_product").json()["data"]
    assert {row["product_id"] for row in rows} == set(PRODUCT_IDS)
    assert all("/media/" in row["imageUrl"] for row in rows)


def test_a_reset_finds_what_was_renamed_removed_and_moved_and_makes_no_doubles(no_pictures):
    products_reset(now=times.now())
    before = catalogue()
    changed, other = Product.objects.order_by("pk")[:2]
    Product.objects.filter(pk=changed.pk).update(image_url="http://x.example/a.png", updated_at=times.now())
    for row in [*Product.objects.all(), *Category.objects.all()]:
        row.name, row.removed_at = f"改名{row.pk}", times.now()
        row.save()
    Product.objects.update(category=make_category("别的"))

    products_reset(now=times.now())

    assert catalogue() == before
    assert Product.objects.get(pk=changed.pk).image_url.startswith("/media/")
    assert Product.objects.get(pk=other.pk).image_url == other.image_url
    assert set(Category.objects.filter(removed_at=None).values_list("category_id", flat=True)) >= {
        *CATEGORY_IDS.values()
    }


def test_a_name_that_another_category_has_by_now_stays_there(no_pictures):
    products_reset(now=times.now())
    Category.objects.filter(name="车辆").update(name="汽车", removed_at=times.now())
    other = make_category("车辆")

    products_reset(now=times.now())

    other.refresh_from_db()
    assert other.name == "车辆" and Category.objects.get(category_id=CATEGORY_IDS["车辆"]).name == "车辆（演示1）"


def test_what_trainees_added_goes_on_request_only(roles, person, no_pictures, monkeypatch):
    monkeypatch.setattr("demo.school.DAYS", 1)  # most of the demo's rows
    monkeypatch.setattr("demo.orders.STORIES", [])  # most of the demo's time
    monkeypatch.setattr("demo.school.IN_BEDS", 0)
    accounts_reset()
    demo_seed()
    mine, user = make_product("我的商品"), person("li").user
    for name in ("我的", "他的"):
        picture = image_store(file=posted(encoded()), user_pk=user.pk, now=times.now())
        make_category(name, image_url=picture.url_path)
    Category.objects.filter(name="他的").update(created_by=user)

    demo_reset()
    assert Product.objects.get(pk=mine.pk).removed_at is None

    assert catalogue_clear(user_pks=[user.pk], now=times.now()) == 1
    assert ImageUse.objects.filter(owner__startswith="shop.Category").count() == 1
    demo_reset(clears_shop=True)
    assert not ImageUse.objects.filter(owner__startswith="shop.Category").exists()
    assert {row[0] for row in catalogue()} == set(PRODUCT_IDS)
    assert set(Category.objects.filter(removed_at=None).values_list("category_id", flat=True)) == {
        *CATEGORY_IDS.values()
    }
