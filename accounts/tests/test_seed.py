"""The first accounts: never changed once they exist, never weak in production."""

import stat

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from accounts.models import User
from accounts.services.seed import accounts_seed, root_password_file

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
