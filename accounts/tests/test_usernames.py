"""Names that look equal are one, the system's are taken, and a student's number is for that student."""

from functools import partial
from types import SimpleNamespace

import pytest
from django.db import connection

from accounts import usernames
from accounts.errors import ClassAccountsRefused, UsernameTaken
from accounts.models import User
from accounts.selectors import actor_names
from accounts.services.class_accounts import Trainee, class_accounts_create
from accounts.services.users import user_register
from students.services import students_archive
from students.tests.factories import students
from tests.kit import at_once, envelope, meet_at

pytestmark = pytest.mark.django_db
TAKEN = (0, False, "用户名已注册")
LOOKALIKES = [
    "AUD1",
    "ａｕｄ１",
    "aud\u200b1",
    "\u202eaud1",
    "aud1\ufeff",
    "au\u00add1",
    " aud1\u2060 ",
    "aud\U000e00411",
]
SYSTEM = ["系统", "微信支付", "root", "Root", "ｒｏｏｔ", "root\u200b", "系\u200d统", "微信通知（v2）", "对账", "迁入"]


def register(root, username, nickname="某人"):
    return envelope(root.post("/users/register", {"username": username, "password": "555", "nickname": nickname}))


def rename(client, who, username, **fields):
    return envelope(client.post("/users/updateUser", {"unid": who.user.unid, "username": username} | fields))


# Cyrillic, Greek, Cherokee, Lisu and Thai signs beside Latin letters.
MIXED = ["\u0430ud1", "李\u0430ud1", "AU\u0394-9", "\u13aaUD1", "\ua4ee-U", "\u0e51aud"]
# No Latin letter at all; a phonetic g, a hyphen and a digit that are none of ours.
LIKE_OURS = [
    "\u04bb51-01",
    "李\u0430\u0441\u0430",
    "\ua4ea\ua4ea\ua4e1\ua4e09",
    "zhu\u0261uan",
    "h51\u201001",
    "h51-0\u06f1",
]
UNSEEN = "\u200b\u2060"
FREE = ["α班-01", "Иван", "тест", "Κώστας", "李Иван", "naïve", "Đặng", "山田タロー", "민수Kim", "王小明-1", "สมชาย"]


@pytest.mark.parametrize("name", [*LOOKALIKES, *SYSTEM, *MIXED, *LIKE_OURS, UNSEEN])
def test_what_looks_like_an_existing_name_and_the_systems_names_are_taken(root, person, name):
    person("aud1")
    wang = person("wang")

    assert register(root, name) == rename(wang, wang, name) == rename(root, wang, name) == TAKEN
    with pytest.raises(ClassAccountsRefused, match="用户名已存在"):
        class_accounts_create(class_name="AUD", trainees=[Trainee("李雷", "AUD1")])


@pytest.mark.parametrize("name", FREE)
def test_a_name_of_one_alphabet_that_looks_like_none_of_ours_is_free(root, name):
    assert register(root, name)[2] == "注册成功"


def test_a_pair_from_before_stays_and_logs_in_as_written(api, person, root):
    for name, password in (("aud1", "first-one"), ("AUD1", "second-one"), ("系统", "third-one")):
        who = person(name, password=password)
        assert api.post("/users/login", {"username": name, "password": password}).json()["userInfo"]["username"] == name
        assert rename(who, who, name, city="南京") == (200, True, "更新成功")
    assert api.post("/users/login", {"username": "AUD1", "password": "first-one"}).json()["state"] is False
    assert register(root, "Aud1") == TAKEN


def test_a_log_tells_the_system_from_a_user_who_is_called_like_it(person):
    user = person("系统", nickname="").user
    rows = [SimpleNamespace(pk=pk, actor="系统", actor_key=key) for pk, key in enumerate(("", user.unid))]

    assert actor_names(rows) == {0: "系统", 1: "用户（系统）"}


def test_one_may_change_the_case_of_the_own_name(person):
    li = person("li")

    assert rename(li, li, "Li") == (200, True, "更新成功")


@pytest.mark.parametrize("number", ["WWLN97178546", "wwln97178546", "ＷＷＬＮ97178546"])
@pytest.mark.parametrize("is_archived", [False, True])
def test_a_students_number_is_for_that_student(root, person, number, is_archived):
    (student,) = students("王欣怡", sid="WWLN97178546")
    if is_archived:
        students_archive(pks=[student.pk], actor_pk=None, now=student.created_at)
    mallory = person("mallory")

    assert register(root, number, "某人") == TAKEN
    assert rename(mallory, mallory, number, nickname="王欣怡") == TAKEN, "anyone can choose this nickname"
    with pytest.raises(UsernameTaken):
        user_register(username=number, password="555", nickname="王欣怡")
    with pytest.raises(ClassAccountsRefused):
        class_accounts_create(class_name="C1", trainees=[Trainee("某人", "WWLN97178546")])
    assert register(root, number, "王欣怡") == (1, True, "注册成功")


def test_a_number_whose_student_has_an_account_is_that_accounts(root, person):
    wang, li = person("wang"), person("li")
    students("王", sid="WWLN97178546", account=wang.user)

    assert register(root, "wwln97178546", "王") == rename(li, li, "wwln97178546") == TAKEN
    assert rename(wang, wang, "wwln97178546") == (200, True, "更新成功")


def test_the_back_office_refuses_them_too(office, person, root):
    person("aud1")
    role = root.user.role_id
    form = {"nickname": "某人", "phone": "", "role": role, "password1": "kai-ge-2026", "password2": "kai-ge-2026"}

    for name in ("ａｕｄ１", "系统"):
        page = office.post("/admin/accounts/user/add/", form | {"username": name}).content.decode()
        assert "用户名已注册" in page
    assert sorted(User.objects.values_list("username", flat=True)) == ["aud1", "root"]


def test_the_database_folds_as_python_does():
    names = [*LOOKALIKES, *SYSTEM, "Ünïcode", "ﷺ", "İ" * 64]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {usernames.FOLDED.format('name')} FROM unnest(%s::text[]) AS name", [names[:-1]])
        assert [name for (name,) in cursor.fetchall()] == [usernames.folded(name) for name in names[:-1]]
    assert all(usernames.folded(name) == "aud1" for name in LOOKALIKES)
    assert not usernames.usernames_refused(dict.fromkeys([*names[-3:], "李lei-01", "мария", "①②"], ""))
    assert usernames.usernames_refused({"ROOT": "", "系统": ""}) == ["ROOT", "系统"]  # though no user is called so


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False])
def test_of_two_equal_names_at_once_one_wins(roles, monkeypatch, is_locked):
    meet_at(monkeypatch, "accounts.services.users.password_require_rules")  # comes after the name was asked for
    if not is_locked:
        monkeypatch.setattr(usernames, "_names_lock", lambda names: None)
    works = [partial(user_register, username=name, password="555", nickname="x") for name in ("aud1", "AUD1")]

    at_once(works, refusals=(UsernameTaken,))

    assert User.objects.count() == (1 if is_locked else 2)
