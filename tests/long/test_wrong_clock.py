"""A host whose clock is wrong beside hosts whose clocks are right: a process under libfaketime on the same database."""

import json
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.tokens import token_issue
from shop.models import Order
from shop.tests.factories import make_order, make_product
from tests.kit import encoded, posted
from tests.needs import FAKETIME
from tests.processes import ROOT, environment
from uploads.models import Upload
from uploads.services import image_store

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faketime]

SWEEPS = ["shop.expire_orders", "uploads.remove_orphans"]
# What the host does, with a token, a product, and "own" for its own clock instead of the database's.
HOST = """
import json
import sys
from datetime import UTC, datetime

import django

django.setup()

from django.test import Client

from core import times
from shop.models import Order
from shop.tasks import expire_orders
from uploads.tasks import remove_orphans

if len(sys.argv) > 3:
    times.now = times.agreed_now = lambda: datetime.now(UTC)

report = {"refused": []}
for sweep in (expire_orders, remove_orphans):
    try:
        sweep()
    except times.ClocksDiffer:
        report["refused"].append(sweep.name)
client = Client(headers={"authorization": sys.argv[1]})
report["ordered"] = client.post("/pay/pre_order", {"product_id": sys.argv[2]}).json()["msg"]
newest = Order.objects.order_by("-pk").first()
report["deadline"] = newest.expires_at.timestamp() if newest else None
print(json.dumps(report))
"""


@pytest.fixture
def host(lbw, tmp_path):
    """Let a host with a wrong clock sweep and serve; return its report, and what is left of one order and picture."""

    def run(ahead, *more):
        order, product = make_order(lbw.user), make_product()
        picture = Upload.objects.get(pk=image_store(file=posted(encoded()), user_pk=None, now=timezone.now()).pk).name
        places = {"MEDIA_ROOT": settings.MEDIA_ROOT, "STATE_DIR": str(tmp_path)}
        environ = environment(**places, LD_PRELOAD=FAKETIME, FAKETIME=ahead)
        argv = [sys.executable, "-c", HOST, token_issue(lbw.user), product.product_id, *more]
        result = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=90)
        assert result.returncode == 0, result.stderr
        report = json.loads(result.stdout.splitlines()[-1])
        report["open"] = Order.objects.filter(pk=order.pk, holds_stock=True).exists()
        report["picture"] = default_storage.exists(picture)
        return report

    return run


@pytest.mark.parametrize("ahead", ["+25h", "-25h"])
def test_a_wrong_clock_closes_nothing_deletes_nothing_and_logs_no_user_out(host, ahead):
    report = host(ahead)

    assert (report["refused"], report["open"], report["picture"]) == (SWEEPS, True, True)
    assert report["ordered"] == "订单提交成功"
    assert report["deadline"] == pytest.approx(time.time() + settings.ORDER_TTL.total_seconds(), abs=30)


def test_a_clock_that_is_right_refuses_nothing(host):
    assert host("+0")["refused"] == []


def test_the_twin_on_its_own_clock_does_it_all(host):
    report = host("+25h", "own")

    assert (report["refused"], report["open"], report["picture"]) == ([], False, False)
    assert report["ordered"] != "订单提交成功"
