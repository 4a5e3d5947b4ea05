"""Parts of answers that several calls share."""

from typing import Any

from accounts.models import User


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
        "unid": user.unid,
        "username": user.username,
        "nickname": user.nickname,
        "phone": user.phone,
        "headimgurl": user.headimgurl,
        "roleid": user.role.roleid,
        "roleName": user.role.name,
    }
