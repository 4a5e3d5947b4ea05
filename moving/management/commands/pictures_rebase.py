from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from moving.rebase import is_base, own_pictures_rebase, pictures_rebase


class Command(BaseCommand):
    help = (
        "Store the paths of our own pictures in place of full addresses, which die with the address. "
        "With OLD and NEW, addresses below OLD begin with NEW first. Safe to repeat, and while the system runs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "bases", nargs="*", metavar="OLD NEW", help="such as http://10.0.0.5:8000 https://school.cn"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bases = [base.rstrip("/") for base in options["bases"]]
        if len(bases) not in {0, 2} or not all(is_base(base) for base in bases):
            raise CommandError("Give no address, or two: OLD and NEW, each like https://school.cn")
        if bases:
            self.stdout.write(f"{pictures_rebase(old=bases[0], new=bases[1]):,} addresses begin with {bases[1]} now.")
        if (count := own_pictures_rebase()) or options["verbosity"]:
            self.stdout.write(f"{count:,} addresses of our own pictures have become paths.")
