"""Claims: each row goes to one sweep, however many claim at the same instant, and none is locked afterwards."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from core.db.claims import rows_claim
from tests.kit import at_once
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - timedelta(days=1)
ROWS, SWEEPS = 40, 8


@pytest.fixture
def due():
    fields = {"content_type": "image/png", "size_bytes": 1, "width": 1, "height": 1, "created_at": LONG_AGO}
    Upload.objects.bulk_create(Upload(name=f"{n}.png", idle_since=LONG_AGO, **fields) for n in range(ROWS))
    return Upload.objects.filter(idle_since__lte=timezone.now()).order_by("pk")


def claimed_by_many(claim):
    """Let ``SWEEPS`` threads claim until nothing is due; return the rows that they got, one after another."""
    taken = []

    def sweep():
        while rows := claim():
            taken.extend(row.pk for row in rows)

    at_once([sweep] * SWEEPS)
    return taken


def test_each_row_goes_to_one_sweep(due):
    later = timezone.now() + timedelta(hours=1)

    taken = claimed_by_many(lambda: rows_claim(due, limit=3, idle_since=later))

    assert sorted(taken) == sorted(Upload.objects.values_list("pk", flat=True))
    assert due.count() == 0


def test_without_the_lock_a_row_goes_to_several(due):
    later = timezone.now() + timedelta(hours=1)

    def claim():
        rows = list(due[:3])
        Upload.objects.filter(pk__in=[row.pk for row in rows]).update(idle_since=later)
        return rows

    assert len(claimed_by_many(claim)) > ROWS


def test_a_row_that_somebody_holds_is_passed_over(due):
    later = timezone.now() + timedelta(hours=1)

    with transaction.atomic():
        held = Upload.objects.select_for_update().order_by("pk").first()
        [claimed] = at_once([lambda: rows_claim(due, limit=ROWS, idle_since=later)])

    assert len(claimed) == ROWS - 1 and held not in claimed


def test_the_rows_of_a_killed_sweep_become_due_again(due):
    now = timezone.now()
    rows_claim(due, limit=ROWS, idle_since=now + timedelta(seconds=4))

    assert Upload.objects.filter(idle_since__lte=now).count() == 0
    assert Upload.objects.filter(idle_since__lte=now + timedelta(seconds=4)).count() == ROWS


def test_refuses_to_claim_where_the_rows_would_stay_locked(due):
    with transaction.atomic(), pytest.raises(RuntimeError):
        rows_claim(due, limit=1, idle_since=timezone.now())
