"""A disaster and a restore to a point in time, on the machine on which the upgrade was tried.

People buy and pay; the data of PostgreSQL is deleted; pgBackRest brings it back as it was at a point, before the last
orders; then what WeChat Pay knows comes back by itself.
"""

import re
import time

from tests.processes import ROOT, until
from tests.upgrade.installation import Shop

SETTLED_S = 60
ARCHIVED = """
SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 16 * 1024 * 1024) FROM pg_stat_archiver
"""
SERVICES = ("spms-web", "spms-socket", "spms-worker@money", "spms-worker@now", "spms-worker@bulk", "spms-beat")


def documented(shop: Shop, point: str) -> str:
    """Return the lines of docs/operations.md for a restore, with the names of this machine in them."""
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    (lines,) = re.findall(r"^```sh\n(T=.*?)^```", page, re.DOTALL | re.MULTILINE)
    here = {
        "2026-01-31 10:30:00+08:00": point,
        "postgresql@17-main": shop.cluster,
        "psql -Atc": "psql -p 5433 -Atc",
        "sudo -E -u spms": "runuser -u spms --",
        "sudo -u postgres": "runuser -u postgres --",
    }
    for ours, theirs in here.items():
        assert ours in lines, ours
        lines = lines.replace(ours, theirs)
    return lines


def drill(shop: Shop, buyers: int) -> list[str]:
    """Return what went wrong."""
    run, begun = shop.machine.run, time.monotonic()
    run("systemctl", "start", "spms-backup")
    shop.until_up()
    shop.refused.clear()
    with shop.visited(buyers):
        shop.until_orders(20)
        # Started here before the point, paid after it.
        shop.pays = False
        time.sleep(0.5)  # a buyer may have only so many open orders
        open_before = set(shop.started) - set(shop.paid)
        before = set(shop.placed)
        point = " ".join(shop.sql("SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS.MS')")) + "+00:00"
        shop.pays = True
        for number in open_before:
            shop.wechat.pay(number)
        shop.until_orders(20)
    losses = set(shop.paid) - before
    shop.sql("SELECT pg_switch_wal()")  # instead of the minute of archive_timeout
    assert until(lambda: "t" in shop.sql(ARCHIVED), SETTLED_S), "nothing is archived"
    run("systemctl", "stop", "spms-*")
    refusal = shop.manage("restore", "--point", point, "--yes", ok=False)
    wrong = [] if "没有恢复到" in refusal else ["a restore that has not happened is not refused"]
    run("systemctl", "kill", "--signal=KILL", shop.cluster, ok=False)
    run("systemctl", "stop", shop.cluster, ok=False)
    data = f"/var/lib/postgresql/{shop.version}/spms"
    run("sh", "-c", f"rm -rf {data}/*")
    print(f"disaster after {time.monotonic() - begun:.0f} s: {len(before)} orders before the point {point}", flush=True)

    print(run("bash", "-c", documented(shop, point), stdin="yes\n"))
    run("systemctl", "start", *SERVICES)
    shop.until_up()

    until(lambda: not unsettled(shop, before, open_before, losses), SETTLED_S)
    wrong += unsettled(shop, before, open_before, losses)
    print(
        f"restored after {time.monotonic() - begun:.0f} s: {len(open_before)} orders were paid after the point and are "
        f"paid here, {len(losses)} are lost and refunded"
    )
    wrong += [] if len(losses) > 10 and open_before else ["too few orders: nothing is shown"]
    return wrong


def unsettled(shop: Shop, before: set[str], open_before: set[str], lost: set[str]) -> list[str]:
    orders, paid = shop.stored()
    back = {refund["out_trade_no"] for refund in shop.wechat.refunds.values()}
    return [
        f"{len(numbers)} {what}, such as {min(numbers)}"
        for what, numbers in {
            "orders of before the point are gone": before - orders,
            "orders were paid after the point, and are not here": open_before - paid,
            "payments of orders that are gone were not refunded": lost - orders - back,
            "orders here were refunded": back & paid - lost,
        }.items()
        if numbers
    ]
