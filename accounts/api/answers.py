"""Parts of answers that several calls share."""

from datetime import datetime
from typing import Any

from accounts.models import LoginLog, User
from core.ids import object_id
from core.times import dash, slash


def login_fields(user: User, token: str, now: datetime) -> dict[str, Any]:
    """What every login answers besides its ``status`` and ``msg``; ``user.role`` is read."""
    return {
        "token": token,
        "permission": {"buttons": list(user.role.buttons)},
        "userInfo": user_fields(user, now),
    }


def user_fields(user: User, now: datetime) -> dict[str, Any]:
    """A user as the API shows one: neither password nor openid. ``vipStamp`` is in milliseconds, 0 for no end."""
    level = user.vip_level_at(now)
    ends = user.vip_expires_at if level else None
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
        "vipLevel": level,
        "vipExpires": dash(ends),
        "vipStamp": int(ends.timestamp() * 1000) if ends else 0,
        "status": "1" if user.is_active else "0",
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
