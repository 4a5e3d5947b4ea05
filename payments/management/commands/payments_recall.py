import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from core.models import Restoration
from payments.errors import PaymentError
from payments.services.after_restore import payment_recall
from payments.services.start import numbers_since

CLOCKS_DIFFER = timedelta(minutes=1)


class Command(BaseCommand):
    help = (
        "After a restore, on each machine: ask WeChat Pay about the payments that were started here since the point of "
        "the restore; money that has no order any more is refunded. Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("more", nargs="?", choices=["-"], help="numbers on standard input, one a line, as well")

    def handle(self, *args: Any, **options: Any) -> None:
        restoration = Restoration.objects.order_by("restored_at").last()
        if restoration is None:
            raise CommandError("这个数据库没有恢复过。")
        numbers = set(sys.stdin.read().split()) if options["more"] else set()
        try:
            numbers |= numbers_since(restoration.written_at - CLOCKS_DIFFER)
        except OSError as error:
            self.stdout.write(f"就这台机器所知，没有发起过支付：{error}")
        failures = 0
        for number in sorted(numbers):
            try:
                self.stdout.write(f"{number}: {payment_recall(out_trade_no=number, now=times.now())}")
            except PaymentError as error:
                failures += 1
                self.stdout.write(f"{number}: {error.msg}")
        if failures:
            raise CommandError(f"{failures} 个没有办成，过一会儿再运行一次。")
