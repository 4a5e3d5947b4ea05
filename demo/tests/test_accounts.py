"""The demo accounts are put back as they were at first."""

import pytest
from django.db import transaction

from accounts.models import User
from accounts.services.users import sign_out_everywhere
from demo.accounts import accounts_reset
from tests.kit import during


@pytest.mark.django_db(transaction=True)
def test_a_reset_waits_for_who_signs_out_and_ends_both_kinds_of_tokens(lbw):
    during(lambda: sign_out_everywhere(user_pks=[lbw.user.pk]), transaction.atomic(accounts_reset))

    assert User.objects.get(username="lbw").epoch == lbw.user.epoch + 2  # without the lock one of the two is lost
