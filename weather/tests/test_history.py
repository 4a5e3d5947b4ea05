"""Totals and pages by the tally of days, held against a plain count and a plain OFFSET."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from random import Random

import pytest
from django.db import connection, transaction

from core.times import local
from tests.kit import at_once
from weather.models import WeatherRecord
from weather.selectors import NEWEST_FIRST, cities, history_page
from weather.services.records import record_store
from weather.tests.test_gateway import report

pytestmark = pytest.mark.django_db

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)  # in Shanghai


def make(number: int, seed: int = 7, city: str = "南京") -> None:
    """``number`` records, some a second before or after midnight in Shanghai, some at the same instant."""
    dice = Random(seed)
    records = []
    for n in range(number):
        moment = MIDNIGHT + timedelta(days=dice.randint(-9, 9), seconds=dice.choice([-1, 0, 1, 3600, 40_000]))
        records.append(
            WeatherRecord(
                city=city, date=date(2000, 1, 1) + timedelta(days=n), clock=time(seed % 24), update_time="8:00",
                observed_at=moment, created_at=moment, seen_at=moment,
            )
        )  # fmt: skip
    WeatherRecord.objects.bulk_create(records)


def assert_exact() -> None:
    every = list(WeatherRecord.objects.order_by(*NEWEST_FIRST).values_list("pk", flat=True))
    for start in range(0, len(every) + 3, 3):
        page = history_page(slice(start, start + 5))
        assert ([record.pk for record in page.records], page.total) == (every[start : start + 5], len(every))
    with connection.cursor() as cursor:
        cursor.execute("SELECT day, n FROM weather_tally WHERE n <> 0")
        kept = dict(cursor.fetchall())
    counted: dict[date, int] = {}
    for moment in WeatherRecord.objects.values_list("observed_at", flat=True):
        counted[local(moment).date()] = counted.get(local(moment).date(), 0) + 1
    assert kept == counted


def test_pages_by_days_are_those_of_a_plain_offset():
    make(80)

    assert_exact()


def test_an_empty_table_has_an_empty_page():
    page = history_page(slice(0, 10))

    assert (page.records, page.total) == ([], 0)


def test_nothing_makes_the_tally_drift():
    make(40)
    WeatherRecord.objects.filter(pk__in=WeatherRecord.objects.order_by("pk").values("pk")[:7]).delete()
    assert_exact()
    WeatherRecord.objects.order_by("pk").first().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE weather_weatherrecord SET observed_at = observed_at + interval '30 hours' WHERE id % 3 = 0"
        )
        cursor.execute("UPDATE weather_weatherrecord SET wea = '晴'")
        cursor.execute("DELETE FROM weather_weatherrecord WHERE false")
    assert_exact()
    try:
        with transaction.atomic():
            make(5, seed=8)
            raise LookupError
    except LookupError:
        pass
    assert_exact()
    for _ in range(3):  # the same report again and again, then with its clock moved
        record_store(report=report(update_time="09:00"), now=MIDNIGHT)
    record_store(report=report(update_time="2025-04-17 09:00"), now=MIDNIGHT)
    assert_exact()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE weather_weatherrecord")
    assert_exact()


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_are_all_counted():
    def work(seed: int) -> None:
        make(30, seed=seed)
        WeatherRecord.objects.filter(clock=time(seed), observed_at__lt=MIDNIGHT).delete()

    at_once([partial(work, seed) for seed in range(1, 6)])

    assert WeatherRecord.objects.filter(observed_at__gte=MIDNIGHT).count() == WeatherRecord.objects.count() > 50
    assert_exact()


def test_a_page_far_back_reads_two_statements_and_few_rows(django_assert_num_queries):
    make(60)

    with django_assert_num_queries(2) as asked:
        history_page(slice(50, 55))

    offset = int(asked.captured_queries[-1]["sql"].rpartition("OFFSET ")[2] or 0)
    assert offset < 10


def test_cities_are_listed_once_in_order():
    for city in ("苏州", "北京", "南京"):
        make(3, city=city)

    assert cities() == sorted(["苏州", "北京", "南京"])
    assert cities(2) == sorted(["苏州", "北京", "南京"])[:2]
