import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import times
from payments.errors import PaymentError
from payments.services.after_restore import payment_recall


class Command(BaseCommand):
    help = (
        "After a restore: ask WeChat Pay about the order numbers on standard input, one a line, as the logs have them; "
        "money that has no order here any more is refunded. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        failures = 0
        for number in sorted(set(sys.stdin.read().split())):
            try:
                self.stdout.write(f"{number}: {payment_recall(out_trade_no=number, now=times.now())}")
            except PaymentError as error:
                failures += 1
                self.stdout.write(f"{number}: {error.msg}")
        if failures:
            raise CommandError(f"{failures} numbers could not be settled; run this again later.")
