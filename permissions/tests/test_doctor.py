"""What ``manage.py doctor`` says of roles and calls."""

import pytest

from permissions import doctor
from permissions.models import Role

pytestmark = pytest.mark.django_db


def findings():
    return [(finding.ok, finding.what, bool(finding.do)) for finding in doctor.roles_and_calls()]


def test_what_is_seeded_is_in_order_and_a_row_may_add_to_an_open_call(roles):
    Role.objects.filter(roleid="200").update(rows=["/order/ship"])

    assert findings() == [(True, "角色的 rows 每一行都起作用，每个接口都有角色能调用", False)]


def test_rows_that_open_nothing_and_calls_left_to_root_are_named(roles):
    Role.objects.filter(roleid="102").update(rows=["/students/*", "/nowhere", "/users/login", "/old/*"])

    idle = [(False, f"角色 102 的 {row} 不起作用", True) for row in ("/nowhere", "/users/login", "/old/*")]
    assert [finding for finding in findings() if finding[0] is False] == idle
    root_alone = "/category/addCategory 只有 root 能调用：没有角色的 rows 写着它"
    assert (None, root_alone, False) in findings()
    assert not any("/order/ship" in what for _, what, _ in findings())  # of which buyers may call a part
