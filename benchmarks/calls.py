"""What the calls that clients repeat cost, each beside a bare function that answers the same.

    python -m benchmarks.calls                                          # all eight, two minutes
    python -m benchmarks.calls --only list --rows 100000 --rounds 5
    python -m benchmarks.calls --only cart

Runs on throw-away engines, or on DATABASE_URL's server in a database of its own, whose CPU is then not counted. All
servers are Granian's, with two workers: ours behind nginx (WSGI) and on one port (ASGI), ``bare.py``, which the ratios
are to, and for the list ``equal.py``, an async server that does all that ours does (``pip install -r
benchmarks/requirements.txt``). Behind the tables stands what a worker keeps in memory before and after. A poll of an
order whose payment has begun asks WeChat Pay every five seconds at most and is not measured.
"""

import os
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from tempfile import TemporaryDirectory
from urllib.parse import quote

from benchmarks import kit

PRODUCTS, CART, ORDERS, PAGE = 200, 10, 20, 10
ORDER = "20260101080000000benchmark0000"
THREADS = ("--blocking-threads", "4")
SERVERS = {
    "bare": kit.granian("benchmarks.bare:application", "wsgi", *THREADS),
    "async server, equal work": kit.granian("benchmarks.equal:application", "asgi", "--loop", "uvloop"),
    "ours": kit.granian("config.wsgi:application", "wsgi", *THREADS),
    "ours, one port": kit.granian("config.asgi:application", "asgi"),
}
BOTH = ("bare", "ours")  # of the calls other than the list
CALLS = {
    "list": ("a page of the students", f"/students/getstulist?page=1&count={PAGE}"),
    "poll": ("an order's state", f"/order/query_order_status?order_id={ORDER}"),
    "menu": ("the menu", "/permission/getMenuList"),
    "search": ("search of one character", "/students/searchstu?key=王&page=1&count=10"),
    "products": ("ten of 200 products", "/product/get_product?page=1&count=10"),
    "cart": ("a cart of ten", "/cart/get_cart?page=1&count=10"),
    "orders": ("ten orders of one line", "/order/get_order?page=1&count=10"),
    "verify": ("who am I", "/verify"),
}


def make_data(rows: int) -> str:
    """Fill the database; return a token of the buyer."""
    from django.utils import timezone

    from accounts.models import User
    from accounts.tokens import token_issue
    from permissions.models import Role
    from permissions.services.roles import roles_seed
    from shop.models import CartItem, Order, OrderLine

    kit.fill_students(rows)
    roles_seed()
    user = User.objects.create_user("bench", role=Role.objects.get(roleid="200"), nickname="五五开")
    now = timezone.now()
    products = kit.make_products(PRODUCTS, price="899.50", stock=100)
    CartItem.objects.bulk_create(
        CartItem(user=user, product=product, quantity=2, is_checked=True, created_at=now)
        for product in products[: 2 * CART]
    )
    due = now + timedelta(days=1)
    made = Order.objects.bulk_create(
        Order(
            order_id=f"{ORDER[:-2]}{n:02}", user=user, username="bench", total=Decimal("899.50"),
            created_at=now, expires_at=due, sweep_at=due,
        )
        for n in range(ORDERS)
    )  # fmt: skip
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order, product=products[0], product_code=products[0].product_id, title=products[0].name,
            price=products[0].price, quantity=1, description=products[0].description,
        )
        for order in made
    )  # fmt: skip
    return token_issue(user)


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--only", choices=CALLS, help="measure one call")
    parser.add_argument("--rows", type=int, default=20_000, help="how many students (default: 20,000)")
    parser.add_argument("--requests", type=int, default=2_000, help="to each server in each round (default: 2,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked (default: 5)")
    parser.add_argument("--save", action="store_true", help="keep the ratios as those of the last release")
    options = parser.parse_args()
    with kit.prepared(SANDBOX="0", DEMO_DATA="0"), TemporaryDirectory() as metrics, ExitStack() as stack:
        from django.conf import settings

        with kit.without_limits():
            token = make_data(options.rows)
        environ = os.environ | {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json", "DJANGO_SECRET_KEY": settings.SECRET_KEY}
        environ |= {"PROMETHEUS_MULTIPROC_DIR": metrics}
        started = SERVERS if options.only in (None, "list") else BOTH
        running = {name: stack.enter_context(kit.served(SERVERS[name], environ)) for name in started}
        kit.settle()
        before = {name: worker_mb(process) for name, (_, process) in running.items()}
        for call in [options.only] if options.only else CALLS:
            title, path = CALLS[call]
            request = kit.request_of(quote(path, safe="/?=&"), token)
            names = SERVERS if call == "list" else BOTH
            ports = {name: running[name][0] for name in names}
            expected, *answers = (kit.ask(port, "GET", path, token=token)[1] for port in ports.values())
            assert all(answer == expected for answer in answers), (expected, answers)
            costs = kit.measure(ports, request, requests=options.requests, rounds=options.rounds)
            kit.table(f"{title}: {path}, {kit.CONNECTIONS} connections", costs)
            kit.compare_with_last(f"call {call}", costs, save=options.save)
        print("\nMB of the larger worker (PSS), at the start and after")
        for name, (_, process) in running.items():
            print(f"  {name:32}{before[name]:8.0f}{worker_mb(process):8.0f}")


def worker_mb(process: "kit.psutil.Process") -> float:
    return max(kit.memory_mb(worker) for worker in process.children())


if __name__ == "__main__":
    main()
