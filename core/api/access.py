"""Who may call a route. A route without an access is refused to every caller."""

from enum import Enum


class Access(Enum):
    OPEN = "所有人"
    ANY_USER = "登录用户"
    ROOT = "仅超级管理员"
    ROWS = "按角色权限"
