"""Benchmarks that nobody has run for months still run, and those that compare two servers compare the same work."""

import importlib
import json
from itertools import islice
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import requests
from django.contrib import admin

from benchmarks import back_office, bare, calls, orders, upstream
from shop.models import Order
from tests.processes import database_url

NAMES = ("chaos", "sockets", "strangers", "uploads", "upstream")
# What the plain SQL leaves to defaults, and what differs between two orders.
OWN = {"id", "order_id", "created_at", "expires_at", "sweep_at", "username"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_starts(name, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", [name, "--help"])

    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"benchmarks.{name}").main()

    assert end.value.code == 0 and f"python -m benchmarks.{name}" in capsys.readouterr().out


def test_the_bare_function_answers_what_ours_does(client, monkeypatch, settings):
    monkeypatch.setenv("DATABASE_URL", database_url())
    monkeypatch.setenv("DJANGO_SECRET_KEY", settings.SECRET_KEY)
    monkeypatch.setattr(bare, "_call", None)
    token = calls.make_data(30)

    for _, address in calls.CALLS.values():
        theirs = client.get(address, headers={"authorization": token}).json()
        parts = urlsplit(address)
        environ = {"PATH_INFO": parts.path, "QUERY_STRING": parts.query, "HTTP_AUTHORIZATION": token}
        (body,) = bare.application(environ | {"REQUEST_METHOD": "GET"}, lambda status, headers: None)

        assert json.loads(body) == theirs, address
        assert "count" not in parse_qs(parts.query) or theirs["data"], address
    bare._call.cursor.connection.close()


def test_a_silent_provider_answers_nothing_until_it_may():
    provider = upstream.Provider()
    provider.answers.clear()
    with pytest.raises(requests.Timeout):
        requests.post(f"{provider.url}/pay/unifiedorder", "<xml/>", timeout=0.3)

    provider.answers.set()

    assert requests.post(f"{provider.url}/pay/unifiedorder", "<xml/>", timeout=60).ok
    provider.stop()


def test_plain_sql_places_the_order_that_the_service_places():
    buyer, (product, *_) = orders.make_shop()

    with psycopg.connect(database_url(), autocommit=True, cursor_factory=psycopg.ClientCursor) as own:
        orders.by_plain_sql(buyer, own)(product)
        orders.by_service(buyer, own)(product)

    plain, ours = Order.objects.order_by("pk").values()
    assert {key: ours[key] for key in ours if key not in OWN} == {key: plain[key] for key in plain if key not in OWN}
    plain, ours = ([*order.lines.values()] for order in Order.objects.order_by("pk"))
    assert [line | {"id": 0, "order_id": 0} for line in plain] == [line | {"id": 0, "order_id": 0} for line in ours]


def test_the_back_office_is_filled_and_asked():
    back_office.fill(100, 300, 400)

    browser = back_office.root_browser()
    (first, *_) = back_office.pages(browser)
    assert back_office.cost_of(browser, first).status == 200
    shop = back_office.pages_of_list(browser, admin.site._registry[Order])
    assert {back_office.cost_of(browser, page).status for page in islice(shop, 3)} == {200}
    assert Order.objects.count() > 200
