"""The demo accounts. Their passwords are public and cannot be changed; they exist only if demo data is on."""

from typing import NamedTuple

from django.conf import settings


class DemoUser(NamedTuple):
    username: str
    password: str
    nickname: str
    roleid: str
    role: str
    is_staff: bool


DEMO_USERS = (
    DemoUser("lbw", "555", "五五开", "102", "总监", is_staff=True),
    DemoUser("zhuguan", "555", "巴啦啦小魔仙", "103", "主管", is_staff=True),
    DemoUser("yuangong", "555", "开哥永不开挂", "200", "员工", is_staff=False),
)
_NAMES = frozenset(user.username for user in DEMO_USERS)


def is_demo_account(username: str) -> bool:
    """Tell whether this is a demo account, which a whole class shares."""
    return settings.DEMO_DATA and username in _NAMES
