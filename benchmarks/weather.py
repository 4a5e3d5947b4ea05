"""What a page of the weather history costs at 1,000 records and at many.

    python benchmarks/weather.py                # 1,000,000 records, about a minute

Runs on throw-away engines. Times are those of the selector, in ms, median; both sizes have 200 cities whose records
lie eight hours apart.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SMALL, PAGE, ROUNDS, CITIES = 1_000, 10, 50, 200
CHUNK = 50_000
FILL = """
INSERT INTO weather_weatherrecord (cityid, date, week, update_time, city, city_en, country, country_en, wea, wea_img,
    tem, tem1, tem2, win, win_speed, win_meter, humidity, visibility, pressure, air, air_pm25, air_level, air_tips,
    alarm, aqi, clock, observed_at, created_at, seen_at)
SELECT '101', at::date, '星期一', to_char(at, 'HH24:MI'), '城' || mod(n, %(cities)s), 'City', '中国', 'China',
    '多云', 'yun', '21', '24', '12', '东风', '2级', '6km/h', '41%%', '16km', '1019', '66', '48', '良', '可以正常活动',
    '{"alarm_type": ""}', '{"air": "66", "air_level": "良"}', at::time, at AT TIME ZONE 'Asia/Shanghai', now(), now()
FROM (
    SELECT n, timestamp '2026-11-24 16:00' - n / %(cities)s * interval '8 hours' AS at
    FROM generate_series(%(first)s, %(last)s - 1) AS n
) AS records
"""


def fill(first: int, last: int) -> None:
    """Add the records ``first`` to ``last``, the newest of which is 0."""
    from django.db import connection

    with connection.cursor() as cursor:
        for start in range(first, last, CHUNK):
            end = min(start + CHUNK, last)
            cursor.execute(FILL, {"cities": CITIES, "first": start, "last": end})
            if sys.stderr.isatty() or end == last:
                bar = "█" * (40 * end // last)
                print(f"\r{bar:40} {end:>9,} records", end="\n" if end == last else "", file=sys.stderr, flush=True)
        cursor.execute("VACUUM ANALYZE weather_weatherrecord")


def calls(rows: int) -> dict[str, Callable[[], Any]]:
    from weather.selectors import cities, history_page

    def page(start: int, city: str = "") -> Callable[[], Any]:
        return lambda: history_page(slice(start, start + PAGE), city)

    return {
        "page 1": page(0),
        "page in the middle": page(rows // 2),
        "last page": page(rows - PAGE),
        "one city": page(0, "城7"),
        "cities": cities,
    }


def measure(rows: int) -> dict[str, float]:
    def took(call: Callable[[], Any]) -> float:
        started = time.perf_counter()
        call()
        return (time.perf_counter() - started) * 1000

    return {name: statistics.median(took(call) for _ in range(ROUNDS)) for name, call in calls(rows).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many records (default: 1,000,000)")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from devstack.engines import Engines

    with Engines(durable=False) as engines:
        os.environ |= engines.urls | {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR"}
        import django
        from django.core.management import call_command
        from django.db import connection

        django.setup()
        call_command("migrate", verbosity=0)
        fill(0, SMALL)
        small = measure(SMALL)
        fill(SMALL, options.rows)
        large = measure(options.rows)
        print(f"{'ms':20}{SMALL:>12,}{options.rows:>12,}{'ratio':>8}")
        for name, before in small.items():
            print(f"{name:20}{before:12.2f}{large[name]:12.2f}{large[name] / before:8.1f}")
        connection.close()
        connection.close_pool()


if __name__ == "__main__":
    main()
