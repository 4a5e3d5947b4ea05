"""Passwords that everybody knows do not work in production."""

import pytest

from accounts.demo_users import DEMO_USERS
from accounts.models import User
from accounts.services.seed import accounts_seed


@pytest.mark.django_db
def test_demo_users_of_an_inherited_database_are_shut_out(roles, settings):
    settings.ROOT_PASSWORD = "a-Long-enough-1"
    accounts_seed()
    kept = User.objects.get(username="zhuguan")
    kept.set_password("her-own-Secret-1")
    kept.save()
    settings.PRODUCTION, settings.DEMO_DATA = True, False

    accounts_seed()

    active = set(User.objects.filter(is_active=True).values_list("username", flat=True))
    assert active & {demo.username for demo in DEMO_USERS} == {"zhuguan"}
