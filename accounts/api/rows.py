"""Parts of API answers that several calls share."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from accounts.models import LoginLog, User
from accounts.selectors import ending_notice
from core.api.request import full_url
from core.ids import object_id
from core.times import epoch_ms, format_api_time, format_office_time


class UserJson(TypedDict):
    _id: str
    unid: str
    username: str
    nickname: str
    phone: str
    headimgurl: str
    sex: str
    city: str
    province: str
    country: str
    roleid: str
    roleName: str
    vipLevel: Annotated[int, "当前 VIP 等级,0 为没有"]
    vipExpires: Annotated[str, "2023-05-24 11:46:00,没有时为空"]
    vipStamp: Annotated[int, "到期时间,毫秒;没有时为 0"]
    status: Annotated[Literal["1", "0"], "1 正常,0 停用"]


class PermissionJson(TypedDict):
    buttons: Annotated[list[Literal["read", "add", "edit", "delete"]], "角色可用的按钮"]


class LoginMomentJson(TypedDict):
    loginTime: Annotated[str, "2019/05/13 20:36:26,没有时为空"]
    ip: str


LoginLogEntryJson = TypedDict(
    "LoginLogEntryJson",
    {"_id": str, "username": str, "lastLogin": LoginMomentJson, "nowLogin": LoginMomentJson, "__v": int},
)


def login_fields(user: User, now: datetime) -> dict[str, Any]:
    """Return the part of a login's answer that all kinds of login share, beside the token.

    :param user: as it was read before the login was recorded.
    """
    notice = ending_notice(user, now)
    fields = {"permission": {"buttons": user.role.buttons}, "userInfo": user_fields(user, now)}
    return fields | ({"notice": notice} if notice else {})


def user_fields(user: User, now: datetime) -> UserJson:
    """Return a user as the API shows it, without password and openid. ``vipStamp`` is in milliseconds, 0 for no end."""
    level, ends = user.vip_at(now)
    return {
        "_id": object_id(user.created_at, user.pk),
        "unid": user.unid,
        "username": user.username,
        "nickname": user.nickname,
        "phone": user.phone,
        "headimgurl": full_url(user.headimgurl),
        "sex": user.sex,
        "city": user.city,
        "province": user.province,
        "country": user.country,
        "roleid": user.role.roleid,
        "roleName": user.role.name,
        "vipLevel": level,
        "vipExpires": format_office_time(ends),
        "vipStamp": epoch_ms(ends) if ends else 0,
        "status": "1" if user.is_active else "0",
    }


def log_fields(entry: LoginLog) -> LoginLogEntryJson:
    """Return a login as the API shows it. ``lastLogin`` holds empty texts if it was the user's first login."""
    return {
        "_id": object_id(entry.logged_in_at, entry.pk),
        "username": entry.username,
        "lastLogin": {"loginTime": format_api_time(entry.last_logged_in_at), "ip": entry.last_ip},
        "nowLogin": {"loginTime": format_api_time(entry.logged_in_at), "ip": entry.ip},
        "__v": 0,
    }
