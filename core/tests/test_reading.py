from datetime import UTC, datetime

import pytest

from accounts.models import User
from core.db.reading import read_one, read_page
from permissions.models import Role
from shop.models import Category, Order, Product

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 26, 8, 0, 0, 123456, UTC)


@pytest.fixture
def products():
    category = Category.objects.create(category_id="20260101000000001", name="车辆", created_at=NOW)
    made = []
    for n in range(5):
        code, name = f"{20260101000000000 + n}", f"自行车{n}"
        made.append(Product.objects.create(product_id=code, category=category, name=name, price="9.90", created_at=NOW))
    return made


def state(instance):
    return {field.attname: getattr(instance, field.attname) for field in instance._meta.concrete_fields}


def test_reads_what_the_orm_reads(products, django_assert_num_queries):
    with django_assert_num_queries(1):
        total, rows = read_page(Product, "t.removed_at IS NULL", slice(1, 3), join="category")
        names = [row.category.name for row in rows]

    assert (total, names) == (5, ["车辆", "车辆"])
    assert [state(row) for row in rows] == [state(row) for row in Product.objects.order_by("pk")[1:3]]
    rows[0].name = "新名字"
    rows[0].save(update_fields=["name"])
    assert Product.objects.get(pk=rows[0].pk).name == "新名字"


def test_the_number_is_known_behind_the_last_row_and_of_nothing_and_values_are_no_sql(products):
    assert read_page(Product, "t.removed_at IS NULL", slice(10, 20)) == (5, [])
    assert read_page(Product, "t.name = %(name)s", slice(0, 10), name="' OR true --") == (0, [])
    assert read_one(Product, "t.name = %(name)s", name="没有") is None


def test_a_row_without_the_joined_one_is_read_too():
    user = User.objects.create_user("li", role=Role.objects.get(roleid="200"))
    for number, buyer in enumerate((user, None)):
        Order.objects.create(
            order_id=f"{number:030}", user=buyer, username="li", total=1, created_at=NOW, expires_at=NOW, sweep_at=NOW
        )

    _, orders = read_page(Order, "t.username = 'li'", slice(0, 10), join="user", order="t.id DESC")

    assert [order.user for order in orders] == [None, user]
