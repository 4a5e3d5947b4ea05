"""`permissions`, `logs`, `weather` and `students`."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import LoginLog, User
from moving.document import NOT_GIVEN, Document, DocumentRefused
from moving.dump import Dump
from moving.table import AlreadyHere, Table
from permissions.models import ROOT_ROLEID, ClientButton, Role
from permissions.role_shape import MAX_ROWS, menu_problem, rows_problem
from permissions.seed import ROLES
from permissions.services.roles import menu_with_home
from students.models import MAX_AGE, MIN_AGE, Student, student_number_new
from weather.errors import ProviderGarbled
from weather.gateway import MAX_TEXT, TEXT_FIELDS, report_read
from weather.models import WeatherRecord

SID_LENGTH = 12
SEEDED = {role["roleid"]: role for role in ROLES}


class Roles(Table):
    """The roles. The seeded ones take the school's values, except root's and those that staff changed here."""

    collection, model = "permissions", Role

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.roles = Role.objects.in_bulk(field_name="roleid")
        self.here = {(one,) for one, role in self.roles.items() if one == ROOT_ROLEID or not _is_as_seeded(role)}

    def record(self, old: Document) -> Role:
        roleid = old.id("roleid", 32)
        self.claim((roleid,), "roleid")
        role = self.roles.get(roleid) or Role(roleid=roleid)
        role.name = old.text("roleName", Role.NAME_LENGTH) or roleid
        role.menu = menu_with_home(_menu(old))
        role.rows = _texts(old, "rows", lambda row: not rows_problem([row]))[:MAX_ROWS]
        role.buttons = _texts(old, "buttons", lambda button: button in ClientButton.values)
        return role

    def write(self, records: Sequence[Role]) -> None:
        for role in records:
            role.save()  # one by one: each tells all processes that rights have changed


def _is_as_seeded(role: Role) -> bool:
    seed = SEEDED.get(role.roleid, {})
    return bool(seed) and all(getattr(role, name) == seed[name] for name in ("name", "menu", "rows", "buttons"))


def _menu(old: Document) -> list[dict[str, Any]]:
    menu: list[dict[str, Any]] = _entries(old.raw("menuList") or [])
    if problem := menu_problem(menu):
        old.fix("menuList 不是菜单，只保留首页", problem)
        return []
    return menu


def _entries(level: Any) -> Any:
    """Return a level of the menu without the `_id` that MongoDB adds to each entry, and without empty ``children``."""
    if not isinstance(level, list) or not all(isinstance(entry, dict) for entry in level):
        return level
    entries = [{"name": entry.get("name"), "children": _entries(entry.get("children"))} for entry in level]
    return [{name: value for name, value in entry.items() if value} for entry in entries]


def _texts(old: Document, name: str, is_valid: Callable[[str], bool]) -> list[str]:
    value = old.raw(name) or []
    texts = [one.strip() for one in value if isinstance(one, str)] if isinstance(value, list) else []
    valid = [text for text in dict.fromkeys(texts) if is_valid(text)]
    if valid != value:
        old.fix(f"{name} 中有重复的或不认识的，已去掉", value)
    return valid


class Logins(Table):
    """The login log, a row for each login."""

    collection, model, key = "logs", LoginLog, ("username", "logged_in_at", "ip")

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.users = dict(User.objects.values_list("username", "pk"))

    def record(self, old: Document) -> LoginLog:
        username = old.id("username", 64)
        (moment, ip), (last_moment, last_ip) = _login(old, "nowLogin"), _login(old, "lastLogin")
        if moment is None:
            raise DocumentRefused("没有登入时间")
        return LoginLog(
            user_id=self.users.get(username),
            username=username,
            logged_in_at=moment,
            ip=ip,
            last_logged_in_at=last_moment,
            last_ip=last_ip if last_moment else "",
        )


def _login(old: Document, name: str) -> tuple[datetime | None, str]:
    login = old.part(name)
    return login.moment("loginTime"), login.text("ip", 45).removeprefix("::ffff:")


class Weather(Table):
    """The weather. Each record must pass the rules for the provider's present answers."""

    collection, model, key = "weather", WeatherRecord, ("city", "date", "clock")

    def record(self, old: Document) -> WeatherRecord:
        answer: dict[str, Any] = {name: old.text(name, MAX_TEXT) for name in TEXT_FIELDS}
        answer["update_time"] = answer["update_time"] or old.text("update_tim", MAX_TEXT)
        for name in ("alarm", "aqi"):
            answer[name] = old.raw(name)
            if answer[name] and not isinstance(answer[name], dict):
                old.fix(f"{name} 不是对象，留空", answer[name])
        try:
            report = report_read(answer, old.now)
        except ProviderGarbled:
            raise DocumentRefused("没有城市、日期或更新时间") from None
        return WeatherRecord(**report, created_at=report["observed_at"], seen_at=report["observed_at"])


class Students(Table):
    """The students. They keep their numbers; one without, or with another student's, gets a new number."""

    collection, model = "students", Student

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.here = set(Student.objects.values_list("sid", flat=True))
        self.owners: dict[str, str] = {}  # of numbers in the dump

    def record(self, old: Document) -> Student:
        name, class_name, age = old.text("name", 64), old.text("class", 64), _age(old)
        if not name or not class_name:
            raise DocumentRefused("没有姓名" if not name else "没有班级")
        return Student(
            sid=self._sid(old, f"{class_name} {name}"),
            name=name,
            class_name=class_name,
            age=age,
            city=old.text("city", 64, NOT_GIVEN),
            degree=old.text("degree", 32, NOT_GIVEN),
            product_url=old.address("productUrl", NOT_GIVEN),
            description=old.text("description", 2000, NOT_GIVEN),
            headimgurl=old.address("headimgurl"),
            created_at=old.created("cTime"),
        )

    def _sid(self, old: Document, who: str) -> str:
        sid = old.text("sId", 100)
        if not sid or len(sid) > SID_LENGTH:
            old.fix("没有可用的学号，分配新学号", sid)
            return student_number_new()
        owner = self.owners.get(sid)
        if owner == who:
            raise DocumentRefused("与前面的文档重复：学号、班级、姓名都相同")
        if owner:
            old.fix("学号已属于前面的学员，分配新学号", f"{sid} {owner}")
            return student_number_new()
        self.owners[sid] = who
        if sid in self.here:
            raise AlreadyHere
        return sid


def _age(old: Document) -> int:
    """Read the age; of a text such as ``21岁`` its first number."""
    number, digits = old.number("age"), re.search(r"\d{1,9}", str(old.raw("age")))
    if digits and (number is None or number != int(number)):
        number = Decimal(digits[0])
        old.fix("age 不是数字，取其中的数字", old.raw("age"))
    if number is None or not MIN_AGE <= number <= MAX_AGE:
        raise DocumentRefused(f"年龄不是 {MIN_AGE} 到 {MAX_AGE} 之间的数字")
    return int(number)
