"""The people whom WeChat knows: some of its own, and each of our accounts, whose phone stands for one person."""

import base64
import hashlib
from dataclasses import dataclass

from django.conf import settings
from django.templatetags.static import static

from accounts.models import User
from accounts.services.scan_login import unionid_give

MAX_NAME = 32


@dataclass(frozen=True)
class Person:
    """A WeChat user.

    :param picture: an address; a path is one of this server.
    :param is_linked: whether WeChat tells the person's unionid.
    :param key: what the ids are made of, if it is not the name.
    :param known_unionid, known_openid: the ids that our side has of this person already; an openid with its app.
    """

    name: str
    picture: str = ""
    city: str = ""
    province: str = ""
    sex: int = 0
    is_linked: bool = True
    key: str = ""
    known_unionid: str = ""
    known_openid: tuple[str, str] = ("", "")

    def openid(self, appid: str) -> str:
        """Return the person's id for one app: 28 characters, as at WeChat."""
        app, openid = self.known_openid
        return openid if openid and app == appid else "o" + _digest(f"{appid}\n{self.key or self.name}")[:27]

    @property
    def unionid(self) -> str:
        """Return the person's id for all apps of one Open Platform account."""
        return self.known_unionid or "u" + _digest(self.key or self.name)[:27]

    @property
    def headimgurl(self) -> str:
        return settings.PUBLIC_BASE_URL + self.picture if self.picture.startswith("/") else self.picture


def _face(number: int) -> str:
    return static(f"sandbox/faces/{number}.svg")


def people() -> tuple[Person, ...]:
    """Return the few who have pictures; any other is a name that a developer types."""
    return (
        Person("李小明", _face(1), "重庆", "重庆", 1),
        Person("王远杰", _face(2), "南京", "江苏", 1),
        Person("小鹿🦌", _face(3), "成都", "四川", 2),
        Person("没有 unionid 的张三", _face(4), is_linked=False),
    )


def person_named(name: str) -> Person:
    return next((person for person in people() if person.name == name), Person(name))


def person_of(user: User) -> Person:
    """Return the person whose phone an account has."""
    return Person(
        user.nickname or user.username,
        user.headimgurl,
        key=f"account {user.unid}",
        known_unionid=user.unionid or "",
        known_openid=(user.wechat_appid, user.openid),
    )


def phone_enroll(user: User) -> None:
    """Let our side know an account by the unionid of its phone: from now on WeChat's answer logs in this account."""
    unionid_give(user_pk=user.pk, unionid=person_of(user).unionid)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
