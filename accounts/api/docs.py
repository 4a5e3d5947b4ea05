"""What the documentation shows of the user calls; the samples are the seed's."""

from typing import Any

from accounts import errors
from accounts.api.params import (
    AvatarParams,
    CaptchaParams,
    LoginLogParams,
    LoginParams,
    PasswordParams,
    RegisterParams,
)
from core.api.docs import Doc
from core.api.params import PageParams
from core.errors import NotPermitted

_UNID = "5f0b6c1de1e75b0ea034cf83a1b2c3d4"
_PICTURE = "http://127.0.0.1:8000/media/2026/11/0123456789abcdef0123456789abcdef.png"
_USER: dict[str, Any] = {
    "username": "lbw4",
    "nickname": "开哥永不开挂",
    "phone": "1577775772",
    "unid": _UNID,
    "roleid": "200",
    "roleName": "员工",
    "headimgurl": "",
    "_id": "5cd964db16bd6f346879cf77",
    "sex": "",
    "city": "",
    "province": "",
    "country": "",
}

LOGIN = Doc(
    params=LoginParams,
    send={"username": "lbw", "password": "555"},
    ok={
        "status": 1,
        "state": True,
        "msg": "登入成功",
        "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1bmlkIjoi….…",
        "permission": {"buttons": ["read", "add", "edit", "delete"]},
        "userInfo": _USER,
    },
    failures=[errors.CredentialsWrong, errors.CredentialsMissing, errors.TooManyFailures(42)],
    about="之后的请求都在请求头 `authorization` 中携带返回的 `token`。密码错误次数过多时返回 HTTP 429,"
    "`Retry-After` 是需要等待的秒数。",
)
SIGN_OUT = Doc(ok={"status": 1, "state": True, "msg": "退出成功"}, about="令牌立即失效。")
VERIFY = Doc(
    ok={
        "status": 1,
        "state": True,
        "msg": "校验成功",
        "decode": {
            "username": "lbw",
            "nickname": "五五开",
            "unid": _UNID,
            "roleid": "102",
            "iat": 1795500000,
            "exp": 1795543200,
        },
    },
)
REGISTER = Doc(
    params=RegisterParams,
    send={"username": "lbw4", "password": "kai-ge-2026", "nickname": "开哥永不开挂", "phone": "1577775772"},
    ok={"status": 1, "state": True, "msg": "注册成功", "userInfo": _USER},
    failures=[
        errors.UsernameTaken,
        errors.RegistrationIncomplete,
        errors.RoleUnknown,
        errors.PasswordTooWeak("密码不符合要求:密码长度太短。密码必须包含至少 6 个字符。"),
    ],
)
UPDATE_PASSWORD = Doc(
    params=PasswordParams,
    send={"username": "lbw", "oldPassword": "555", "newPassword": "wu-wu-kai"},
    ok={"status": 1, "state": True, "msg": "密码修改成功"},
    failures=[
        errors.UserUnknown,
        errors.PasswordNotChanged,
        errors.PasswordTooWeak("密码不符合要求:密码长度太短。密码必须包含至少 6 个字符。"),
        NotPermitted,
        errors.TooManyFailures(42),
    ],
    about="只能修改自己的密码;root 可以修改任何人的密码。修改后该用户的所有令牌失效,需要重新登入。",
)
UPLOAD_AVATAR = Doc(
    params=AvatarParams,
    ok={
        "status": 1,
        "state": True,
        "msg": "图片上传成功",
        "headimgurl": _PICTURE,
        "imgurl": _PICTURE,
    },
    failures=[errors.AvatarRefused, NotPermitted],
    about="只能上传自己的头像;root 可以上传任何人的头像。",
)
ALL_USERS = Doc(
    params=PageParams,
    ok={"status": 200, "state": True, "msg": "success", "total": 1, "users": [_USER]},
)
CAPTCHA = Doc(
    ok={
        "status": 200,
        "state": True,
        "img": '<svg xmlns="http://www.w3.org/2000/svg" width="130" height="48">…</svg>',
        "key": "9cQ2vXo0L5sTj7WbE1yRk3HnUf6Za8Dp",
    },
    about="`img` 是一个 SVG 元素,直接放入页面即可。5 分钟内有效,只能校验一次。",
)
VERIFY_CAPTCHA = Doc(
    params=CaptchaParams,
    ok={"status": 200, "state": True, "msg": "验证码正确"},
    failures=[errors.CaptchaWrong],
)
LOGIN_LOG = Doc(
    params=LoginLogParams,
    ok={
        "status": 200,
        "state": True,
        "msg": "success",
        "data": [
            {
                "_id": "5cd964db16bd6f346879cf77",
                "username": "cxk",
                "lastLogin": {"loginTime": "2019/05/13 20:36:26", "ip": ""},
                "nowLogin": {"ip": "", "loginTime": "2019/05/13 20:36:43"},
                "__v": 0,
            }
        ],
    },
)
