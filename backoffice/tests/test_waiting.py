"""The bell: what waits for whom."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core import times
from core.models import Export
from permissions.models import Role

pytestmark = pytest.mark.django_db
ALL = {"待发货": 2, "待处理退货": 2, "退款异常": 1}


@pytest.mark.parametrize(
    "roleid, without, expected",
    [
        ("102", [], ALL),
        ("102", ["ship_order", "refund_order"], {"待处理退货": 2}),
        ("102", ["view_order", "change_order"], {}),
        ("103", [], {}),
    ],
)
def test_tells_what_a_person_may_deal_with(
    staff: Callable[[str], Client], roles: dict[str, Role], stock: Any, roleid: str, without: Any, expected: Any
) -> None:
    roles[roleid].permissions.remove(*Permission.objects.filter(codename__in=without))

    client = staff(roleid)
    rows = client.get(reverse("waiting")).json()["rows"]

    assert {row["label"]: row["number"] for row in rows} == expected
    for row in rows:
        assert client.get(row["link"]).context["cl"].result_count >= row["number"]


def test_tells_of_ones_own_finished_exports_alone(staff: Callable[[str], Client], root: Any) -> None:
    now = times.now()
    for state in Export.State:
        Export.objects.create(
            model="shop.order", file_name="x", created_by=root.user, created_at=now, begun_at=now, state=state
        )
    colleague, own = staff("103"), Client()
    own.force_login(root.user)

    assert own.get(reverse("waiting")).json()["rows"] == [
        {"label": "导出完成", "number": 1, "link": reverse("admin:core_export_changelist")}
    ]
    assert colleague.get(reverse("waiting")).json()["rows"] == []
