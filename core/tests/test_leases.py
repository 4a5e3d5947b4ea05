"""Leases: one holder at a time, however many try at the same instant, and no longer than the span."""

from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier

import pytest
from django.utils import timezone

from core.db.leases import lease
from core.models import Lease
from tests.kit import at_once

pytestmark = pytest.mark.django_db(transaction=True)
TRIES = 8
SPAN = timedelta(minutes=1)


def holders(take):
    """Let ``TRIES`` threads try at once, all of them holding on; answer how many hold."""
    tried = Barrier(TRIES)

    def hold():
        with take() as is_held:
            tried.wait(10)
            return is_held

    return sum(at_once([hold] * TRIES))


@pytest.mark.parametrize("before", ["nobody", "a killed holder"])
def test_one_of_many_holds_it(before):
    if before == "a killed holder":
        Lease.objects.create(name="x", holder="gone", until=timezone.now())

    assert holders(lambda: lease("x", span=SPAN)) == 1
    assert not Lease.objects.exists()


def test_where_it_is_looked_at_first_and_taken_then_several_hold_it():
    """The twin: what the one statement is for."""
    looked = Barrier(TRIES)

    @contextmanager
    def take():
        is_free = not Lease.objects.filter(name="x", until__gt=timezone.now()).exists()
        looked.wait(10)
        if is_free:
            Lease.objects.update_or_create(name="x", defaults={"holder": "me", "until": timezone.now() + SPAN})
        yield is_free

    assert holders(take) > 1


def test_is_free_again_after_the_block_whatever_ended_it():
    with pytest.raises(ZeroDivisionError), lease("x", span=SPAN):
        raise ZeroDivisionError

    with lease("x", span=SPAN) as is_held, lease("y", span=SPAN) as is_other, lease("x", span=SPAN) as is_twice:
        assert (is_held, is_other, is_twice) == (True, True, False)


def test_one_that_took_too_long_does_not_end_its_followers_lease():
    slow = lease("x", span=-SPAN)
    assert slow.__enter__()
    with lease("x", span=SPAN) as is_held:
        slow.__exit__(None, None, None)

        assert is_held and Lease.objects.exists()
