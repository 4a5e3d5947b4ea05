"""The one list of who did what: orders, money, files and logins stand in it beside changes of fields."""

from collections.abc import Callable
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import LoginAttempt, LoginMethod
from accounts.services import attempts
from backoffice.audit import STAFF_ACTIONS
from core.api.request import answering
from core.audit import StaffAction
from payments.models import Refund
from shop.services.order_move import order_note
from shop.services.order_ship import order_ship
from shop.states import OrderAction, State
from tests.kit import posted_of

pytestmark = pytest.mark.django_db
LIST = reverse("admin:auditlog_logentry_changelist")


def actions(*kinds: int) -> list[LogEntry]:
    return list(LogEntry.objects.filter(action__in=kinds or STAFF_ACTIONS).order_by("pk"))


def press(browser: Client, page: str, pk: int, name: str) -> Any:
    """Press a button of a record and confirm it."""
    address = reverse(f"admin:{page}_change", args=[pk])
    return browser.post(address, posted_of(browser.post(address, {f"step_{name}": "1"})) | {"sure": "1"})


class TestOfStaff:
    def test_a_parcel_sent_by_staff_is_there_and_what_the_buyer_does_is_not(
        self, office: Client, root: Any, stock: dict[str, Any]
    ) -> None:
        order, shipped = stock["orders"][State.PAID], stock["orders"][State.SHIPPED]
        order_ship(order_id=shipped.order_id, action=2, actor="王五", now=timezone.now())
        assert shipped.logs.filter(to_state=State.RECEIVED).exists() and actions() == []

        press(office, "shop_order", order.pk, "ship")

        [entry] = actions()
        assert (entry.action, entry.actor, entry.object_repr) == (OrderAction.SHIP, root.user, order.order_id)
        page = office.get(f"{LIST}?day=today&kind={OrderAction.SHIP}").content.decode()
        assert order.order_id in page and "待发货 → 已发货" in page

    def test_a_refund_is_there_once_with_its_amount(self, office: Client, root: Any, stock: dict[str, Any]) -> None:
        order = stock["orders"][State.SHIPPED]
        payment = stock["payment"]
        payment.out_trade_no = order.order_id
        payment.save()
        Refund.objects.all().delete()

        press(office, "shop_order", order.pk, "refund")

        [entry] = actions(OrderAction.REFUND)
        assert (entry.actor, entry.changes["金额"][1]) == (root.user, "12.50元")
        assert entry.object_repr.startswith(order.order_id)

    def test_what_another_did_in_a_request_is_not_ones_own(
        self, person: Callable[..., Any], stock: dict[str, Any], rf: Any
    ) -> None:
        request = rf.get("/admin/shop/order/")
        request.user = person("lisi", "102", is_staff=True).user
        order = stock["orders"][State.SHIPPED]

        def note(actor: str) -> None:
            with answering(request):
                order_note(order=order, event="发货", actor=actor, now=timezone.now())

        note("li")
        assert actions() == []

        note("lisi")
        assert [entry.actor for entry in actions()] == [request.user]


class TestLogins:
    def test_refused_ones_stand_beside_successful_ones_up_to_a_limit(
        self, api: Any, person: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wang = person("wang", "102", is_staff=True).user
        person("li")  # no member of staff

        for username in ("li", "a-typed-password"):
            api.post("/users/login", {"username": username, "password": "a-password"})
        for password in ("false", "a-password"):
            api.post("/users/login", {"username": "wang", "password": password})
        Client().post("/admin/login/", {"username": "wang", "password": "a-password"})

        assert [(entry.action, entry.actor, entry.changes["入口"][1]) for entry in actions()] == [
            (StaffAction.LOGIN_REFUSED, None, "接口"),
            (StaffAction.LOGIN, wang, "接口"),
            (StaffAction.LOGIN, wang, "后台"),
        ]
        monkeypatch.setattr(attempts, "MAX_REFUSALS_AN_HOUR", 3)
        before, now = LoginAttempt.objects.count(), timezone.now()
        for number in range(8):
            context = attempts.LoginContext(method=LoginMethod.API, ip=f"192.0.2.{number}", now=now)
            for _ in range(2):
                attempts.attempt_record(context, outcome=attempts.Outcome.WRONG, username="wang")
        assert LoginAttempt.objects.count() == before + 8
        assert len(actions(StaffAction.LOGIN_REFUSED)) == 3


def test_the_list_filters_by_person_object_and_day(
    office: Client, staff: Callable[[str], Client], person: Callable[..., Any], stock: dict[str, Any]
) -> None:
    people = {name: person(name, "102", is_staff=True).user for name in ("wang", "zhao")}
    for name, user in people.items():
        for action in (OrderAction.REFUND, OrderAction.SHIP):
            changes = {"金额": ["", f"{name} 12.50元"]}
            LogEntry.objects.log_create(stock["refund"], action=action, changes=changes, actor=user)

    head = staff("102").get(f"{LIST}?day=today&kind={OrderAction.REFUND}")
    text = head.content.decode()
    assert [entry.actor.username for entry in head.context["cl"].result_list] == ["zhao", "wang"]
    assert "wang 12.50元" in text and f"?day=today&amp;kind={OrderAction.SHIP}" in text

    def shown(query: str) -> int:
        return len(office.get(f"{LIST}?{query}").context["cl"].result_list)

    assert shown(f"person={people['wang'].pk}&kind={OrderAction.REFUND},{OrderAction.SHIP}") == 2
    assert shown("model=payments.refund") == 4 and shown("model=payments.refund&day=yesterday") == 0
    assert shown("q=20261101000000003") == 4
    LogEntry.objects.all().delete()
    assert shown("person=x&kind=x&day=x&model=x") == 0
