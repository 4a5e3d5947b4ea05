"""The first accounts: never changed once they exist, never weak in production; and all accounts after a restore."""

import stat

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

from accounts.models import User
from accounts.services.after_restore import MAX_NAMED, users_follow, users_remember
from accounts.services.seed import accounts_seed, root_password_file
from core.models import Restoration

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_state(settings, tmp_path, roles):
    settings.STATE_DIR = tmp_path
    settings.ROOT_PASSWORD = ""


def test_generates_roots_password_once_and_keeps_it_to_itself():
    first = {account.username: account for account in accounts_seed()}
    again = {account.username: account for account in accounts_seed()}

    kept = root_password_file().read_text().strip()
    assert first["root"].password == again["root"].password == kept
    assert len(kept) == 16
    assert stat.S_IMODE(root_password_file().stat().st_mode) == 0o600
    assert User.objects.get(username="root").is_superuser


def test_makes_the_contracts_demo_users_and_changes_nothing_that_people_changed():
    accounts_seed()
    lbw = User.objects.get(username="lbw")
    assert lbw.check_password("555")
    roles = {"root": "1", "lbw": "102", "zhuguan": "103", "yuangong": "200"}
    assert dict(User.objects.values_list("username", "role__roleid")) == roles
    lbw.set_password("my own password")
    lbw.nickname = "老五"
    lbw.save()

    users = {account.username: account for account in accounts_seed()}

    lbw.refresh_from_db()
    assert (lbw.nickname, lbw.check_password("my own password")) == ("老五", True)
    assert users["lbw"].password is None


def test_demo_users_of_an_inherited_database_are_shut_out_and_no_password_is_shown(settings, capsys):
    settings.ROOT_PASSWORD = "a-Long-enough-1"
    settings.DEMO_DATA = False
    accounts_seed()
    assert User.objects.get().check_password("a-Long-enough-1") and not root_password_file().exists()
    settings.DEMO_DATA = True
    accounts_seed()
    user = User.objects.get(username="zhuguan")
    user.set_password("her-own-Secret-1")
    user.save()
    settings.DEPLOYED, settings.DEMO_DATA = True, False

    call_command("seed_demo")

    assert set(User.objects.filter(is_active=True).values_list("username", flat=True)) == {"root", "zhuguan"}
    assert "root / （ROOT_PASSWORD 的值）" in capsys.readouterr().out


@pytest.mark.parametrize("password", ["", "123456", "kq-83-mz-7p"])
def test_production_refuses_a_missing_or_weak_root_password(settings, password):
    settings.DEPLOYED, settings.DEMO_DATA, settings.ROOT_PASSWORD = True, False, password
    settings.AUTH_PASSWORD_VALIDATORS = settings.PASSWORD_POLICY

    with pytest.raises(ImproperlyConfigured, match="ROOT_PASSWORD"):
        accounts_seed()

    assert not User.objects.exists()


def test_all_log_in_again_the_disabled_stay_disabled_and_many_are_named_in_part(roles):
    names = [f"user{n:02}" for n in range(MAX_NAMED + 1)]
    User.objects.bulk_create(User(username=name, role=roles["200"], is_active=False) for name in [*names, "zhao"])
    memory, past = users_remember(), Restoration(restored_at=timezone.now())
    User.objects.create(username="deleted", role=roles["200"])
    User.objects.exclude(username="zhao").update(is_active=True)  # as the backup has it
    unknown = list(users_follow(past, None))
    assert "不知道" in unknown[1] and User.objects.filter(username__in=names, is_active=True).count() == len(names)

    sentences = list(users_follow(past, memory))

    assert sentences[1:] == [
        f"备份之后停用的，再次停用：{'、'.join(names[:MAX_NAMED])} 等。",
        "备份之后删除的用户又在了：deleted。",
    ]
    assert not User.objects.filter(username__in=names, is_active=True).exists()
    assert not User.objects.filter(epoch__lt=memory["epoch"] + 1).exists()
