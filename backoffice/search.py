"""What Ctrl+K finds by the user's rights: the menu, what one can begin, classes, students, orders, users, products."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import User
from accounts.selectors import people_visible, users_found
from backoffice.navigation import list_url, may_see, navigation
from core.admin.listing import admin_of
from core.admin.phones import are_phones_whole, phone_shown
from core.ids import storable
from core.money import yuan_text
from permissions.scope import scope_of
from shop.models import Order
from shop.selectors import order_search, orders_visible, products_found
from students.columns import hidden_fields
from students.models import Student
from students.selectors import classes_counted, search_q, student_page, value_matches

MAX_RESULTS = 5  # of each kind
MIN_TEXT, MAX_TEXT = 2, 64  # characters; one letter finds the menu alone


def find(request: HttpRequest, text: str) -> list[SearchResult]:
    """Return what this user may open and what ``text`` names, the menu first."""
    text = storable(text, MAX_TEXT)
    if not text:
        return []
    results = [*_menu(request, text), *_actions(request, text)]
    for label, search in SEARCHES:
        if len(text) >= MIN_TEXT and may_see(request, label):
            results += search(text, request.user)
    return results


def _menu(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    for group in navigation(request):
        for item in group["items"]:
            if text.lower() in item["title"].lower():
                about = group["title"] or "菜单"
                yield SearchResult(title=item["title"], description=about, link=item["link"], icon=item["icon"])


def _actions(request: HttpRequest, text: str) -> Iterator[SearchResult]:
    """Yield the pages on which something begins, by all words of the text."""
    for title, label, name, *rights in ACTIONS:
        is_asked = all(word in title for word in text.split())
        may_add = is_asked and may_see(request, label) and admin_of(label).has_add_permission(request)
        if may_add and request.user.has_perms(rights):
            yield SearchResult(title=title, description="操作", link=reverse(name), icon="add")
    if request.user.is_superuser and all(word in OPEN_CLASS for word in text.split()):
        yield SearchResult(title=OPEN_CLASS, description="操作", link=reverse("classroom"), icon="add")


def _result(label: str, pk: int, title: str, description: str, icon: str) -> SearchResult:
    link = reverse(f"admin:{label.replace('.', '_')}_change", args=[pk])
    return SearchResult(title=title, description=description, link=link, icon=icon)


def _students(text: str, user: Any) -> Iterator[SearchResult]:
    scope = scope_of(user)
    by_name = student_page(slice(0, MAX_RESULTS), key=text, scope=scope).rows
    unseen = hidden_fields(user)
    matches = search_q(text, unseen) if len(text.split()) > 1 else value_matches(text, unseen)
    by_value = Student.objects.filter(matches, scope.visible(of=Student)).order_by("-pk")[:MAX_RESULTS]
    rows: dict[int, Any] = {row.id: row for row in by_name} | {student.pk: student for student in by_value}
    for row in islice(rows.values(), MAX_RESULTS):
        yield _result("students.student", row.id, row.name, f"学员 {row.class_name} {row.sid}", "school")


def _classes(text: str, user: Any) -> Iterator[SearchResult]:
    classes = (row for row in classes_counted(scope_of(user)) if row[0].lower().startswith(text.lower()))
    for name, count in islice(classes, MAX_RESULTS):
        link = list_url("students.student", **{"class": name})
        yield SearchResult(title=name, description=f"班级 {count} 名学员", link=link, icon="groups")


def _orders(text: str, user: Any) -> Iterator[SearchResult]:
    orders, is_whole = Order.objects.filter(orders_visible(scope_of(user))).order_by("-pk"), are_phones_whole(Order)
    for order in order_search(orders, text, limit=MAX_RESULTS, by_part_of_phone=is_whole)[:MAX_RESULTS]:
        who = order.recipient or order.username
        what = f"订单 {who} {phone_shown(order)} {yuan_text(order.total)}元 {order.state_label}"
        yield _result("shop.order", order.pk, order.order_id, what, "receipt_long")


def _users(text: str, user: Any) -> Iterator[SearchResult]:
    users = users_found(text, by_phone=are_phones_whole(User)).filter(people_visible(user))
    for one in users[:MAX_RESULTS]:
        yield _result("accounts.user", one.pk, one.username, f"用户 {one.nickname} {phone_shown(one)}", "person")


def _products(text: str, user: Any) -> Iterator[SearchResult]:
    for product in products_found(text, scope=scope_of(user))[:MAX_RESULTS]:
        what = f"商品 {product.price}元 库存 {product.stock}" + (" 已下架" if product.removed_at else "")
        yield _result("shop.product", product.pk, product.name, what, "inventory_2")


OPEN_CLASS = "开班（取班级学员的账号）"
# Title, model of which it takes the right to add one, the name of the page's address, and other rights that it takes.
ACTIONS = (
    ("新增学员", "students.student", "admin:students_student_add"),
    ("导入学员", "students.student", "admin:students_import", "students.change_student"),
    ("新增商品", "shop.product", "admin:shop_product_add"),
    ("新增类目", "shop.category", "admin:shop_category_add"),
    ("新增用户", "accounts.user", "admin:accounts_user_add"),
    ("新增角色", "permissions.role", "admin:permissions_role_add"),
    ("新增宿舍", "dormitory.room", "admin:dormitory_room_add"),
)
SEARCHES: list[tuple[str, Callable[[str, Any], Iterator[SearchResult]]]] = [
    ("students.student", _classes),
    ("students.student", _students),
    ("shop.order", _orders),
    ("accounts.user", _users),
    ("shop.product", _products),
]
