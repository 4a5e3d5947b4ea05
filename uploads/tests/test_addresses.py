"""Answers name the pictures of this server by the address at which the caller reaches it."""

from types import SimpleNamespace

import pytest
from django.test import RequestFactory

from core.errors import BadParameter
from shop.models import Category, Product
from shop.tests.factories import make_category, make_order, make_product
from students.models import Student
from students.tests.factories import students
from tests.kit import encoded, posted
from uploads.fields import image_or_url
from uploads.models import Upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("undecoded")]
HOSTS = ["http://testserver", "http://localhost"]


@pytest.fixture
def path(api):
    url = api.post("/upload/uploadImg", {"img": posted(encoded())}, format="multipart").json()["imgUrl"]
    assert url.startswith("http://testserver/media/")
    return url.removeprefix("http://testserver")


@pytest.fixture
def answered(root, path):
    """Return every picture that answers hold when all records have this one, asked at ``base``."""
    product = make_product(category=make_category(image_url=path))
    Product.objects.update(image_url=path)
    students("何一诺", headimgurl=path)
    type(root.user).objects.update(headimgurl=path)
    make_order(root.user, product)
    root.post("/cart/add_to_cart", {"product_id": product.product_id, "count": 1})

    def ask(base):
        def read(call, key="data"):
            return root.get(call, headers={"host": base.removeprefix("http://")}).json()[key]

        calls = ("/students/getstulist", "/category/getCategory", "/product/get_product", "/cart/get_cart")
        rows = [row for call in calls for row in read(call)]
        rows += read("/order/get_order")[0]["orderDetail"] + read("/users/getAllUers", "users")
        keys = ("headimgurl", "categoryImgurl", "imageUrl")
        pictures = [row[key] for row in rows for key in keys if key in row]
        assert len(pictures) == 6
        return set(pictures)

    return ask


@pytest.mark.parametrize("base", HOSTS)
def test_every_answer_follows_the_callers_host_unless_public_base_url_is_set(answered, path, base, settings):
    assert answered(base) == {base + path}

    settings.PUBLIC_BASE_URL, settings.PUBLIC_BASE_URL_IS_SET = "https://school.example", True
    assert answered(base) == {f"https://school.example{path}"}


@pytest.mark.parametrize("base", [*HOSTS, "https://the-address-of-last-year.example", ""])
def test_a_picture_of_ours_is_known_under_any_host(root, path, base):
    student = students("何一诺")[0]
    edit = {"sId": student.sid, "headimgurl": base + path}

    assert root.post("/students/updatestu", edit).json()["msg"] == "更新成功"
    assert Student.objects.get().headimgurl == path
    assert Upload.objects.get().idle_since is None
    assert root.post("/students/updatestu", edit | {"headimgurl": f"http://x.example{path}"}).json()["status"] == 304


def test_a_picture_of_another_server_stays_that_servers(root):
    url = "http://192.168.1.7:8000/media/2026/11/0123456789abcdef0123456789abcdef.png"

    root.post("/category/addCategory", {"categoryName": "零食", "categoryImgurl": url})
    category = root.get("/category/getCategory").json()["data"][0]
    root.post(
        "/product/add_product",
        {"category_id": category["category_id"], "productName": "糖", "price": "1", "description": "甜", "inventory": 1,
         "imageUrl": url},
    )  # fmt: skip

    assert [category["categoryImgurl"], Category.objects.get().image_url, Product.objects.get().image_url] == [url] * 3


# --- What a text may be ---
def request(data=None, files=None):
    raw = RequestFactory().get("/")
    return SimpleNamespace(
        data=data or {}, FILES=files or {}, user=None, META=raw.META, scheme=raw.scheme, get_host=raw.get_host
    )


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        *((nothing, "") for nothing in (None, "", "  ", "null", "undefined")),
        ("http://a.b/c.png", "http://a.b/c.png"),
        (" https://图片.example/中文.png?x=1 ", "https://图片.example/中文.png?x=1"),
        ("/media/2026/11/x.png", "/media/2026/11/x.png"),
    ],
)
def test_a_text_is_taken_as_the_address_of_a_picture(address, answer):
    assert image_or_url(request({"headimgurl": address}), "headimgurl") == answer


@pytest.mark.parametrize(
    "text",
    [
        *("javascript:alert(1)", "data:image/svg+xml;base64,AAAA", "//evil.example/a.png", "ftp://a.b/c.png"),
        *("/etc/passwd", "http://", "http://a b/c.png", 'http://a.b/"onerror=alert(1)', "http://a.b/<script>"),
        *("http://[::1", "http://a.b/" + "x" * 500, ["http://a.b/c.png"], {"$gt": ""}, 5),
    ],
)
def test_other_texts_are_refused_by_name(text):
    with pytest.raises(BadParameter, match="headimgurl"):
        image_or_url(request({"headimgurl": text}), "headimgurl")
