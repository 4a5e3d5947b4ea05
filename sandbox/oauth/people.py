"""The WeChat users of the sandbox: a few with pictures, and any name that a developer types."""

import base64
import hashlib
from dataclasses import dataclass

MAX_NAME = 32


@dataclass(frozen=True)
class Person:
    """A WeChat user. ``face``: the number of a picture; ``is_linked``: whether WeChat tells the person's unionid."""

    name: str
    face: int = 0
    city: str = ""
    province: str = ""
    sex: int = 0
    is_linked: bool = True

    def openid(self, appid: str) -> str:
        """Return the person's id for one app: 28 characters, as at WeChat."""
        return "o" + _digest(f"{appid}\n{self.name}")[:27]

    @property
    def unionid(self) -> str:
        """Return the person's id for all apps of one Open Platform account."""
        return "u" + _digest(self.name)[:27]


PEOPLE = (
    Person("李小明", 1, "重庆", "重庆", 1),
    Person("王远杰", 2, "南京", "江苏", 1),
    Person("小鹿🦌", 3, "成都", "四川", 2),
    Person("没有 unionid 的张三", 4, is_linked=False),
)


def person_named(name: str) -> Person | None:
    """Find a person by name, or make one up; None for a name that nobody could have."""
    name = name.strip()[:MAX_NAME]
    known = next((person for person in PEOPLE if person.name == name), None)
    return known or (Person(name) if name and name.isprintable() else None)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
