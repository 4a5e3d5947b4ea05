from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import avatars
from accounts.api import docs
from accounts.api.answers import log_fields, login_fields, user_fields
from accounts.api.params import (
    AvatarParams,
    CaptchaParams,
    LoginLogParams,
    LoginParams,
    PasswordParams,
    RegisterParams,
    SmsLoginParams,
    SmsSendParams,
    UserDeleteParams,
    UserListParams,
    UserUpdateParams,
)
from accounts.authentication import CallerRequest
from accounts.captcha import LIFETIME_S, captcha_make, captcha_solve
from accounts.errors import (
    AvatarRefused,
    CaptchaWrong,
    UserNotYours,
    UserToChangeUnknown,
    UserToDeleteMissing,
    UserUnknown,
)
from accounts.models import User
from accounts.selectors import login_log, user_list
from accounts.services.login import password_login
from accounts.services.sms_login import LIFETIME, sms_code_send, sms_login
from accounts.services.users import (
    avatar_set,
    own_password_change,
    password_set,
    user_register,
    user_update,
    users_delete,
)
from accounts.tokens import token_revoke
from core.api.access import Access
from core.api.envelope import ok
from core.api.pagination import page_of, page_slice
from core.api.request import client_ip, client_network, user_agent
from core.api.routing import endpoint
from core.api.views import ApiViewSet
from core.errors import NotPermitted

CAPTCHA_COOKIE, SMS_COOKIE = "captcha", "sms"
_COLUMNS = {"vipLevel": "vip_level"}


class LoginLogViewSet(ApiViewSet):
    tag = "学员模块"

    @endpoint("GET", "/getloginlog", "获取登入日志", Access.ROWS, docs=docs.LOGIN_LOG)
    def get_login_log(self, request: Request) -> Response:
        page = LoginLogParams.read(request)
        return ok("success", data=[log_fields(entry) for entry in login_log()[page_slice(**page)]])


class CaptchaViewSet(ApiViewSet):
    tag = "用户模块"

    @endpoint("GET", "/users/getCaptcha", "获取验证码", Access.OPEN, docs=docs.CAPTCHA)
    def get_captcha(self, request: Request) -> Response:
        return _new_captcha(request)

    @endpoint("GET", "/users/refreshCaptcha", "刷新验证码", Access.OPEN, docs=docs.CAPTCHA)
    def refresh_captcha(self, request: Request) -> Response:
        return _new_captcha(request)

    @endpoint("GET", "/users/verifyCaptcha", "校验验证码", Access.OPEN, docs=docs.VERIFY_CAPTCHA)
    def verify_captcha(self, request: Request) -> Response:
        given = CaptchaParams.read(request)
        key = given["key"] or request.COOKIES.get(CAPTCHA_COOKIE, "")
        if not captcha_solve(key=key, answer=given["captcha"]):
            raise CaptchaWrong
        return ok("验证码正确")


class UserViewSet(ApiViewSet):
    """Users, and their way in; the scan login follows in ``scan_views``."""

    tag = "用户模块"

    @endpoint(
        "GET", "/users/getAllUers", "获取所有用户", Access.ROWS, aliases=("/users/getAllUsers",), docs=docs.ALL_USERS
    )
    def get_all_users(self, request: Request) -> Response:
        given = UserListParams.read(request)
        total, users = page_of(user_list(key=given["key"], roleid=given["roleid"]), given)
        now = timezone.now()
        return ok("success", total=total, users=[user_fields(user, now) for user in users])

    @endpoint("POST", "/users/register", "用户注册", Access.ROOT, aliases=("/users/addUser",), docs=docs.REGISTER)
    def register(self, request: Request) -> Response:
        given: dict[str, Any] = RegisterParams.read(request)
        roleid = given.pop("roles", None) or given.pop("roleid", None)
        given.pop("roleid", None)
        user = user_register(**given, roleid=roleid)
        return ok("注册成功", status=1, userInfo=user_fields(user, timezone.now()))

    @endpoint("POST", "/users/login", "用户登入", Access.OPEN, docs=docs.LOGIN)
    def login(self, request: Request) -> Response:
        now = timezone.now()
        if request.query_params.get("type") == "sms":
            user, token = _login_by_sms(request, now)
        else:
            user, token = password_login(
                **LoginParams.read(request), ip=client_ip(request), device=user_agent(request), now=now
            )
        return ok("登入成功", status=1, **login_fields(user, token, now))

    @endpoint("POST", "/sms/send", "发送短信验证码", Access.OPEN, docs=docs.SMS_SEND)
    def send_sms(self, request: Request) -> Response:
        given = SmsSendParams.read(request)
        key = sms_code_send(phone=given["phoneNumber"], network=client_network(request), now=timezone.now())
        answer = ok("OK", key=key)
        cookie_set(request, answer, SMS_COOKIE, key, max_age_s=int(LIFETIME.total_seconds()))
        return answer


class OwnViewSet(ApiViewSet):
    """What who is logged in does with an account: mostly the own one."""

    tag = "用户模块"

    @endpoint("GET", "/users/sigout", "退出登入", Access.ANY_USER, aliases=("/users/signout",), docs=docs.SIGN_OUT)
    def sign_out(self, request: CallerRequest) -> Response:
        token_revoke(request.user.claims, now=timezone.now())
        return ok("退出成功", status=1)

    @endpoint("POST", "/users/uploadAvatar", "上传用户头像", Access.ANY_USER, docs=docs.UPLOAD_AVATAR, takes_files=True)
    def upload_avatar(self, request: CallerRequest) -> Response:
        given = AvatarParams.read(request)
        user = User.objects.filter(unid=given.get("uId") or given.get("unid") or "").first()
        if user is None:
            raise AvatarRefused
        me = request.user
        if user.pk != me.pk and not me.is_root:
            raise NotPermitted
        url = avatars.store().take(request, "headimgurl")
        avatar_set(user_pk=user.pk, url=url)
        return ok("图片上传成功", status=1, headimgurl=url, imgurl=url)

    @endpoint("ANY", "/verify", "校验登入状态", Access.ANY_USER, docs=docs.VERIFY)
    def verify(self, request: CallerRequest) -> Response:
        me = request.user
        decode = {"username": me.username, "nickname": me.nickname, "unid": me.unid}
        times = {name: me.claims[name] for name in ("iat", "exp")}
        return ok("校验成功", status=1, decode=decode | {"roleid": me.roleid} | times)

    @endpoint("POST", "/users/updatePassword", "修改用户密码", Access.ANY_USER, docs=docs.UPDATE_PASSWORD)
    def update_password(self, request: CallerRequest) -> Response:
        given = PasswordParams.read(request)
        user = User.objects.filter(username=given["username"]).first()
        if user is None:
            raise UserUnknown
        me = request.user
        is_own = user.pk == me.pk
        if not is_own and not me.is_root:
            raise NotPermitted
        if is_own and (given["oldPassword"] or not me.is_root):
            own_password_change(
                username=user.username,
                old_password=given["oldPassword"],
                new_password=given["newPassword"],
                ip=client_ip(request),
            )
        else:
            password_set(user=user, new_password=given["newPassword"])
        return ok("密码修改成功", status=1)

    @endpoint("POST", "/users/updateUser", "修改用户信息", Access.ANY_USER, docs=docs.UPDATE_USER)
    def update_user(self, request: CallerRequest) -> Response:
        given = UserUpdateParams.read(request)
        user = User.objects.filter(unid=given.pop("unid")).first()
        if user is None:
            raise UserToChangeUnknown
        me = request.user
        if user.pk != me.pk and not me.is_root:
            raise UserNotYours
        old_password, new_password = given.pop("oldPassword"), given.pop("password")
        changes = {_COLUMNS.get(name, name): value for name, value in given.items()}
        if picture := avatars.store().take_or_name(request, "headimgurl"):
            changes["headimgurl"] = picture
        user_update(
            user_pk=user.pk,
            by_root=me.is_root,
            changes=changes,
            old_password=old_password,
            new_password=new_password,
            ip=client_ip(request),
        )
        return ok("更新成功")

    @endpoint("GET", "/users/deleteUser", "删除用户", Access.ROOT, docs=docs.DELETE_USER)
    def delete_user(self, request: CallerRequest) -> Response:
        given = UserDeleteParams.read(request)
        # Clients repeat the parameter for several users; Params reads the last one only.
        unids = [part.strip() for text in request.query_params.getlist("unid") for part in text.split(",")]
        unids = [unid for unid in unids if unid]
        if not unids and not given["username"]:
            raise UserToDeleteMissing
        users_delete(unids=unids, username=given["username"], by_pk=request.user.pk)
        return ok("删除成功")


def _new_captcha(request: Request) -> Response:
    key, img = captcha_make()
    answer = ok(img=img, key=key)
    cookie_set(request, answer, CAPTCHA_COOKIE, key, max_age_s=LIFETIME_S)
    return answer


def _login_by_sms(request: Request, now: datetime) -> tuple[User, str]:
    given = SmsLoginParams.read(request)
    key = given["key"] or request.COOKIES.get(SMS_COOKIE, "")
    return sms_login(
        key=key,
        code=given["code"],
        ip=client_ip(request),
        network=client_network(request),
        device=user_agent(request),
        now=now,
    )


def cookie_set(request: Request, answer: Response, name: str, key: str, *, max_age_s: int) -> None:
    """Let a browser keep the key of a captcha or a text message, so that its client need not.

    It says which one is meant and nothing else: it never authenticates anybody. Pages of other sites get it only
    over HTTPS, as browsers demand; the others send the key back.
    """
    is_https = request.is_secure()
    answer.set_cookie(
        name, key, max_age=max_age_s, httponly=True, secure=is_https, samesite="None" if is_https else "Lax"
    )
