"""Parts of answers that several calls share."""

from typing import Any

from accounts.models import LoginLog, User
from core.ids import object_id
from core.times import slash


def login_fields(user: User, token: str) -> dict[str, Any]:
    """What every login answers besides its ``status`` and ``msg``; ``user.role`` is read."""
    return {
        "token": token,
        "permission": {"buttons": list(user.role.buttons)},
        "userInfo": user_fields(user),
    }


def user_fields(user: User) -> dict[str, str]:
    """A user as the API shows one: neither password nor openid."""
    return {
        "_id": object_id(user.created_at, user.pk),
        "unid": user.unid,
        "username": user.username,
        "nickname": user.nickname,
        "phone": user.phone,
        "headimgurl": user.headimgurl,
        "sex": user.sex,
        "city": user.city,
        "province": user.province,
        "country": user.country,
        "roleid": user.role.roleid,
        "roleName": user.role.name,
    }


def log_fields(entry: LoginLog) -> dict[str, Any]:
    """A login as the log shows it; the one before it is empty texts where there was none."""
    return {
        "_id": object_id(entry.logged_in_at, entry.pk),
        "username": entry.username,
        "lastLogin": {"loginTime": slash(entry.last_logged_in_at), "ip": entry.last_ip},
        "nowLogin": {"loginTime": slash(entry.logged_in_at), "ip": entry.ip},
        "__v": 0,
    }
