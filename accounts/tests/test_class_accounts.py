"""Accounts for a class: one step makes forty, and only those that staff may make."""

import pytest

from accounts.errors import ClassAccountsRefused
from accounts.models import User
from accounts.selectors import users_of_class
from accounts.services.class_accounts import (
    MAX_TRAINEES,
    Trainee,
    accounts_by_class,
    class_accounts_create,
    class_accounts_delete,
    class_accounts_reset,
    names_read,
    password_make,
    trainee_accounts,
)
from tests.kit import during

pytestmark = pytest.mark.django_db


@pytest.fixture
def h51901(roles):
    return class_accounts_create(class_name="H51901", trainees=[Trainee("谭鹏"), Trainee("王欣怡", "WWLN97178546")])


def test_reads_lists_as_people_write_them():
    text = "\ufeff谭鹏, 2026001\r\n\r\n  王欣怡\t2026002  \n李雷，2026003\n韩梅梅"

    assert names_read(text) == [("谭鹏", "2026001"), ("王欣怡", "2026002"), ("李雷", "2026003"), ("韩梅梅", "")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "名单是空的"),
        (" \n,,\n", "第 2 行不对"),
        ("谭鹏\n王欣怡 1 2", "第 2 行不对"),
        ("谭鹏 学号", "第 1 行不对：学号"),
        ("x" * 65, "第 1 行不对"),
        ("a\x07b", "第 1 行不对"),
        ("谭鹏\n" * (MAX_TRAINEES + 1), f"一次最多 {MAX_TRAINEES} 人"),
    ],
)
def test_names_the_line_that_it_cannot_read(text, reason):
    with pytest.raises(ClassAccountsRefused, match=reason):
        names_read(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trainees": [Trainee("李雷", "WWLN97178546")]}, "用户名已存在：wwln97178546"),
        ({"trainees": [Trainee("李雷", "7"), Trainee("韩梅梅", "7")]}, "学号重复：7"),
        ({"class_name": "H51901"}, "H51901 已经有这些人的账号：谭鹏"),
        ({"roleid": "1"}, "请选择角色"),
        ({"class_name": "H5 1901"}, "班级名"),
        ({"class_name": "H5α班"}, "用户名不能以这个班级名开头"),
    ],
)
def test_one_bad_line_leaves_no_account_of_the_class(h51901, change, reason):
    request = {"class_name": "H51902", "trainees": [Trainee("李雷"), Trainee("谭鹏")]} | change

    with pytest.raises(ClassAccountsRefused, match=reason):
        class_accounts_create(**request)

    assert User.objects.count() == 2


def test_counts_on_in_a_class_and_deletes_that_class_alone(h51901, lbw):
    class_accounts_create(class_name="H51902", trainees=[Trainee("李雷")])
    (later,) = class_accounts_create(class_name="H51901", trainees=[Trainee("李雷")])
    assert (later.username, accounts_by_class()) == ("h51901-02", [("H51901", 3), ("H51902", 1)])
    [numbered] = class_accounts_create(class_name="H5α班", trainees=[Trainee("韩梅梅", "2026001")])
    assert numbered.username == "2026001" and class_accounts_delete(users_of_class("H5α班")) == 1

    assert not class_accounts_delete(users_of_class("")) and not class_accounts_reset(users_of_class(""))
    assert lbw.user.check_password("a-password") and User.objects.get(username="lbw").epoch == 1
    assert class_accounts_delete(users_of_class("H51901")) == 3
    assert sorted(User.objects.values_list("username", flat=True)) == ["h51902-01", "lbw"]


@pytest.mark.django_db(transaction=True)
def test_a_new_password_comes_to_whom_another_role_is_given_meanwhile_and_not_to_who_becomes_staff(h51901, roles):
    def change():
        User.objects.filter(nickname="谭鹏").update(role=roles["102"])
        User.objects.filter(nickname="王欣怡").update(is_staff=True)

    slips = during(change, lambda: class_accounts_reset(trainee_accounts("H51901")))

    assert [slip.name for slip in slips] == ["谭鹏"]


def test_passwords_can_be_read_out_and_pass_the_policy(settings):
    from accounts.services.users import password_require_rules

    settings.AUTH_PASSWORD_VALIDATORS = settings.PASSWORD_POLICY
    passwords = {password_make() for _ in range(200)}

    assert len(passwords) == 200
    for password in passwords:
        password_require_rules(password, User(username="h51901-01", nickname="谭鹏"))
        assert not set(password) & set("01oOlIq")
