from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from students.counts import counts_rebuild, counts_wrong


class Command(BaseCommand):
    help = "Compare the students' totals with the students themselves, and put them right after work with triggers off."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only compare; exit code 1 if a total is wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = counts_wrong()
        if not wrong:
            self.stdout.write("All totals are right.")
        elif options["check"]:
            raise CommandError(f"{len(wrong)} totals are wrong, among them: {', '.join(wrong[:5])}")
        else:
            counts_rebuild()
            self.stdout.write(f"{len(wrong)} totals were wrong and are right now.")
