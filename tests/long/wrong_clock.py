"""What a host with a wrong clock does: run in a process of its own under libfaketime.

    python -m tests.long.wrong_clock TOKEN [own]

Prints JSON: which sweeps refused to work, what a call with TOKEN got, and the new order's deadline. "own" turns the
database's clock off.
"""

import json
import sys
from datetime import UTC, datetime

import django

django.setup()

from django.test import Client  # noqa: E402

from core import times  # noqa: E402
from shop.models import Order  # noqa: E402
from shop.tasks import expire_orders  # noqa: E402
from uploads.tasks import remove_orphans  # noqa: E402

if "own" in sys.argv:
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
