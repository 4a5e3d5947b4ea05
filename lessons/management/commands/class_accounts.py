from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import ClassAccountsRefused
from accounts.selectors import users_of_class
from accounts.services.class_accounts import Slip, class_accounts_delete, class_accounts_reset, names_read
from lessons.services import class_open
from permissions.models import DEFAULT_ROLEID, DataScope


class Command(BaseCommand):
    help = "Make an account for each person of a list. A line holds a name, or a name and a student number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="?", metavar="NAMES.txt", help="the list, UTF-8; - reads standard input")
        parser.add_argument("--class", dest="class_name", metavar="NAME", help="the class; default: the file's name")
        parser.add_argument("--role", default=DEFAULT_ROLEID, metavar="ROLEID", help="default: %(default)s")
        parser.add_argument("--scope", default="", choices=DataScope.values, help="the data scope; default: the role's")
        parser.add_argument("--practice", type=int, default=0, metavar="N", help="students to practise with, for each")
        parser.add_argument("--reset", action="store_true", help="give the accounts of --class new passwords instead")
        parser.add_argument("--delete", action="store_true", help="delete the accounts of --class instead")

    def handle(self, *args: Any, **options: Any) -> None:
        class_name = options["class_name"] or Path(options["names"] or "").stem
        if not class_name or class_name == "-":
            raise CommandError("Name the class: --class H51901")
        if options["delete"]:
            self.stdout.write(f"{class_name}：已删除 {class_accounts_delete(users_of_class(class_name))} 个账号")
            return
        try:
            slips = self._slips(class_name, options)
        except ClassAccountsRefused as refusal:
            raise CommandError(refusal.msg) from None
        for slip in slips:
            self.stdout.write(f"{slip.name}\t{slip.number}\t{slip.username}\t{slip.password}")

    def _slips(self, class_name: str, options: dict[str, Any]) -> list[Slip]:
        if options["reset"]:
            return class_accounts_reset(users_of_class(class_name))
        if not options["names"]:
            raise CommandError("Name the list: class_accounts NAMES.txt")
        try:
            path = Path("/dev/stdin" if options["names"] == "-" else options["names"])
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{options['names']} cannot be read: {error}") from None
        return class_open(class_name, names_read(text), options["role"], options["scope"], options["practice"])
