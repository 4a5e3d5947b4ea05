"""``Idempotency-Key``: what is sent twice is done once."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection

from core import times
from core.api import once
from core.errors import ServiceUnavailable, Throttled
from core.models import KeptAnswer
from core.tasks import purge_answers
from shop.models import Order, Product
from shop.tests.factories import make_category, make_product, stock_of
from students.models import Student
from students.tests.factories import FIELDS
from tests.kit import at_once, encoded, meeting, posted
from uploads.models import Upload

pytestmark = pytest.mark.django_db
REPLAYED = "Idempotent-Replayed"


def send(client, path, body, key="k1", **how):
    return client.post(path, body, headers={"Idempotency-Key": key}, **how)


def calls():
    product = {"productName": "书", "price": 1, "description": "x", "inventory": 1, "imageUrl": "https://a.cn/1.png"}
    return {
        "/students/addstu": (Student, FIELDS),
        "/product/add_product": (Product, product | {"category_id": make_category().category_id}),
        "/pay/pre_order": (Order, {"product_id": make_product(stock=5).product_id}),
        "/order/pre_order": (Order, {"product_id": make_product(stock=5).product_id}),
    }


@pytest.mark.parametrize("path", ["/students/addstu", "/product/add_product", "/pay/pre_order", "/order/pre_order"])
def test_the_second_is_answered_as_the_first_and_nothing_is_done_again(lbw, path):
    model, body = calls()[path]
    before = model.objects.count()

    first, second = (send(lbw, path, body) for _ in range(2))

    assert second.json() == first.json() and first.json()["state"] is True
    assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
    assert model.objects.count() == before + 1
    other = send(lbw, path, body | {next(iter(body)): "x"})
    assert other.status_code == 409
    assert other.json() == {"status": 409, "state": False, "msg": "Idempotency-Key 已用于另一个请求"}
    assert send(lbw, path, body, "k2").json() != first.json() and model.objects.count() == before + 2
    lbw.post(path, body)
    assert model.objects.count() == before + 3, "without a key nothing is kept"


def test_a_key_is_of_one_account_and_one_call_and_lives_a_day(lbw, person):
    product = make_product(stock=9)
    body = {"product_id": product.product_id, "token": lbw.token}
    first = send(lbw, "/pay/pre_order", body)

    assert send(lbw, "/order/pre_order", body | {"token": "another"}).json() == first.json(), "by its alias"
    assert send(lbw, "/students/addstu", FIELDS).status_code == 409
    assert send(person("wang"), "/pay/pre_order", body).json()["order_id"] != first.json()["order_id"]
    KeptAnswer.objects.update(created_at=times.now() - timedelta(days=1))
    assert send(lbw, "/pay/pre_order", body).json()["order_id"] != first.json()["order_id"]
    purge_answers()
    assert KeptAnswer.objects.count() == 1, "the one that is new"


@pytest.mark.parametrize("key", ["", "x" * 65, "键", "a\tb"])
def test_a_key_that_is_none_is_refused(lbw, key):
    answer = lbw.http.post("/students/addstu", FIELDS, HTTP_AUTHORIZATION=lbw.token, HTTP_IDEMPOTENCY_KEY=key)

    assert (answer.status_code, answer.json()["status"], answer.json()["state"]) == (400, 400, False)
    assert not Student.objects.exists()


def test_a_refusal_is_kept_and_what_may_be_tried_again_is_not(lbw, monkeypatch):
    product = make_product(stock=1)
    body = {"product_id": product.product_id, "quantity": 2}
    refused = send(lbw, "/pay/pre_order", body)
    Product.objects.update(stock=9)

    again = send(lbw, "/pay/pre_order", body)
    assert again.json() == refused.json() and refused.json()["state"] is False and again.headers[REPLAYED] == "true"
    missing = [send(lbw, "/students/addstu", {"name": "x"}, "k2") for _ in range(2)]
    assert missing[0].json() == missing[1].json() and missing[1].headers[REPLAYED] == "true"

    for failure in (Throttled(3), ServiceUnavailable(), RuntimeError("a fault of ours")):
        with monkeypatch.context() as patch:

            def fail(failure=failure, **_):
                raise failure

            patch.setattr("shop.api.orders.order_create", fail)
            assert send(lbw, "/pay/pre_order", body, "k3").status_code >= 429
    assert send(lbw, "/pay/pre_order", body, "k3").json()["state"] is True


def test_a_picture_counts_by_its_bytes_and_is_stored_once(lbw):
    def form(size):
        return FIELDS | {"headimgurl": posted(encoded(size=size))}

    answers = [send(lbw, "/students/addstu", form((40, 30)), format="multipart") for _ in range(2)]

    assert answers[0].json() == answers[1].json() and Upload.objects.count() == 1
    assert send(lbw, "/students/addstu", form((41, 30)), format="multipart").status_code == 409


def test_an_account_has_so_many_keys_a_day(lbw, monkeypatch):
    monkeypatch.setattr(once, "KEYS_A_DAY", 1)

    assert [send(lbw, "/students/addstu", FIELDS, key).status_code for key in ("k1", "k2", "k1")] == [200, 429, 200]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["with the lock", "without"])
def test_twins_at_the_same_instant_make_one_order(lbw, is_locked, monkeypatch):
    product = make_product(stock=9)
    meet, look = meeting(4), once.Claim.kept

    def look_together(claim):
        answer = look(claim)
        if not connection.in_atomic_block:
            meet()  # all have looked, and found nothing, before one of them writes
        return answer

    monkeypatch.setattr(once.Claim, "kept", look_together)
    if not is_locked:
        monkeypatch.setattr(once.Claim, "keep", lambda claim, work: work())

    answers = at_once([partial(send, lbw, "/pay/pre_order", {"product_id": product.product_id})] * 4)

    orders = {answer.json()["order_id"] for answer in answers}
    number = 1 if is_locked else 4
    assert (len(orders), Order.objects.count(), 9 - stock_of(product)) == (number,) * 3
    assert [REPLAYED in answer.headers for answer in answers].count(False) == number
