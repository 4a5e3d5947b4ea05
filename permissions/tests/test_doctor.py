"""What ``manage.py doctor`` and ``manage.py permission_doctor`` say of roles and calls."""

import pytest
from django.core.management import call_command

from core.api.endpoint import Endpoint
from permissions import doctor
from permissions.models import Role

pytestmark = pytest.mark.django_db


def findings():
    return [(finding.ok, finding.what, bool(finding.do)) for finding in doctor.roles_and_calls()]


def test_what_is_seeded_is_in_order_and_a_row_may_add_to_an_open_call(roles):
    Role.objects.filter(roleid="200").update(rows=["/order/ship"])

    assert findings() == [(True, "每个接口都声明了谁可以调用，角色的每一行都起作用", False)]


def test_rows_that_open_nothing_and_calls_left_to_root_or_no_role_are_named(roles, capsys, monkeypatch):
    Role.objects.filter(roleid="102").update(rows=["/students/*", "/nowhere", "/users/login", "/old/*"])

    with pytest.raises(SystemExit):
        call_command("permission_doctor")

    idle = [(False, f"角色 102 的 {row} 不起作用", True) for row in ("/nowhere", "/users/login", "/old/*")]
    assert [finding for finding in findings() if finding[0] is False] == idle
    root_alone = "/category/addCategory 只有 root 能调用：没有角色的 rows 写着它"
    assert (None, root_alone, False) in findings() and root_alone in capsys.readouterr().out
    monkeypatch.setattr(doctor, "endpoints", lambda: [Endpoint("GET", "/new", "新")])
    assert (False, "/new 没有声明谁可以调用：谁也不能", True) in findings()


@pytest.mark.parametrize(
    "username, method, path, expected",
    [
        ("yuangong", "GET", "/students/getStuList/?page=1", "允许：角色 员工（200）的 rows 包含"),
        ("yuangong", "POST", "/students/addstu", "拒绝（10026）：角色 员工（200）的 rows 不包含"),
        ("yuangong", "POST", "/users/register", "拒绝（10026）：/users/register 仅限超级管理员"),
        ("yuangong", "GET", "/verify", "允许：/verify 对登录用户开放"),
        ("yuangong", "GET", "/users/login", "拒绝（405）"),
        ("yuangong", "POST", "/users/login", "允许：/users/login 对所有人开放"),
        ("yuangong", "GET", "/nowhere", "拒绝（404）"),
        ("yuangong", "GET", "/health/live", "不经过角色检查"),
        ("nobody", "GET", "/verify", "拒绝（10022）"),
        ("gone", "GET", "/verify", "拒绝（1004）"),
        ("root", "POST", "/users/register", "允许：root 的角色"),
    ],
)
def test_one_decision_is_explained(person, root, yuangong, capsys, username, method, path, expected):
    person("gone", is_active=False)

    call_command("permission_doctor", "--why", username, method, path)

    assert expected in capsys.readouterr().out
