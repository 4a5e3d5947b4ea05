"""Pages of the history, newest first, with the number of all records."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from weather.models import WeatherRecord
from weather.selectors import cities, history_page

pytestmark = pytest.mark.django_db

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)  # in Shanghai


def make(number: int, city: str = "南京") -> None:
    """``number`` records, two of each moment."""
    WeatherRecord.objects.bulk_create(
        WeatherRecord(
            city=city, date=date(2000, 1, 1) + timedelta(days=n), clock=time(8), update_time="8:00", seen_at=MIDNIGHT,
            observed_at=MIDNIGHT - timedelta(hours=n // 2), created_at=MIDNIGHT,
        )
        for n in range(number)
    )  # fmt: skip


@pytest.mark.parametrize("city", ["", "南京"])
def test_the_pages_hold_every_record_once_and_tell_how_many_there_are(django_assert_num_queries, city):
    make(23)
    make(5, city="重庆")
    every = WeatherRecord.objects.filter(city__in=[city] if city else ["南京", "重庆"]).order_by("-observed_at", "-pk")

    with django_assert_num_queries(2 * 6):
        pages = [history_page(slice(start, start + 5), city) for start in range(0, 30, 5)]

    assert [record.pk for page in pages for record in page.records] == list(every.values_list("pk", flat=True))
    assert {page.total for page in pages} == {23 if city else 28}


def test_cities_are_listed_once_in_order():
    for city in ("重庆", "南京"):
        make(3, city=city)

    assert cities() == sorted(["重庆", "南京"]) and cities(limit=1) == sorted(["重庆", "南京"])[:1]
