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

    assert findings() == [(True, "Every call says who may, every row of a role opens one", False)]


def test_rows_that_open_nothing_and_calls_left_to_root_or_no_role_are_named(roles, capsys, monkeypatch):
    Role.objects.filter(roleid="102").update(rows=["/students/*", "/nowhere", "/users/login", "/old/*"])

    with pytest.raises(SystemExit):
        call_command("permission_doctor")

    idle = [(False, f"Role 102: its row {row} opens nothing", True) for row in ("/nowhere", "/users/login", "/old/*")]
    assert [finding for finding in findings() if finding[0] is False] == idle
    root_alone = "/category/addCategory may be called by root alone: no role's rows name it"
    assert (None, root_alone, False) in findings() and root_alone in capsys.readouterr().out
    monkeypatch.setattr(doctor, "endpoints", lambda: [Endpoint("GET", "/new", "新")])
    assert (False, "/new does not say who may call it: no caller may", True) in findings()


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
