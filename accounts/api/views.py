"""The calls about users: captcha, register, log in by password, message or scan, the own account and others."""

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from rest_framework.request import Request

from accounts import avatars, errors
from accounts.api import docs, params
from accounts.api.rows import log_fields, login_fields, user_fields
from accounts.authentication import CallerRequest
from accounts.captcha import LIFETIME_S, CaptchaAnswer, captcha_make, captcha_verify
from accounts.login_request import cookie_set, device_remember, login_context, wechat_addresses
from accounts.models import LoginMethod, User
from accounts.selectors import login_log, people_visible, sees_phones, user_list
from accounts.services.login import login_complete, password_verify, sms_verify
from accounts.services.phones import PhoneProof
from accounts.services.scan_codes import code_scanned, consent_url, is_open, scan_code_make, waiting_sid
from accounts.services.scan_login import mini_verify, profile_keep, profile_limit, wechat_verify
from accounts.services.sms_codes import LIFETIME, sms_code_send
from accounts.services.users import avatar_set, password_change, user_register, user_update, users_delete
from accounts.tokens import family_begin, token_issue, token_revoke, tokens_refresh
from core import times
from core.admin.phones import phone_masked
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import page_of, page_slice
from core.api.request import client_ip, client_network, full_url
from core.errors import DomainError, NotPermitted

CAPTCHA_COOKIE, SMS_COOKIE, SCAN_COOKIE = "captcha", "sms", "scan"
CALLBACK = "/users/wechatCallBack"


class LoginLogViewSet(ApiViewSet):
    tag = "学员模块"

    @Endpoint("GET", "/getloginlog", "获取登入日志", Access.ROWS, docs=docs.LOGIN_LOG, is_reading=True)
    def get_login_log(self, request: CallerRequest) -> Envelope:
        page, logins = params.LoginLogParams.read(request), login_log(people_visible(request.user))
        return ok("success", data=[log_fields(entry) for entry in logins[page_slice(page)]])


class UserViewSet(ApiViewSet):
    """Captchas, users, logins by password, message and scan, and what a user may do with the own account."""

    tag = "用户模块"

    @Endpoint("GET", "/users/getCaptcha", "获取验证码", Access.OPEN, docs=docs.CAPTCHA)
    def get_captcha(self, request: Request) -> Envelope:
        return _new_captcha(request)

    @Endpoint("GET", "/users/refreshCaptcha", "刷新验证码", Access.OPEN, docs=docs.CAPTCHA)
    def refresh_captcha(self, request: Request) -> Envelope:
        return _new_captcha(request)

    @Endpoint("GET", "/users/verifyCaptcha", "校验验证码", Access.OPEN, docs=docs.VERIFY_CAPTCHA)
    def verify_captcha(self, request: Request) -> Envelope:
        values = params.CaptchaParams.read(request)
        captcha = _captcha_of(request, values)
        if not captcha_verify(key=captcha.key, answer=captcha.text):
            raise errors.CaptchaWrong
        return ok("验证码正确")

    @Endpoint(
        "GET",
        "/users/getAllUers",
        "获取所有用户",
        Access.ROWS,
        aliases=("/users/getAllUsers",),
        docs=docs.ALL_USERS,
        is_reading=True,
    )
    def get_all_users(self, request: CallerRequest) -> Envelope:
        values = params.UserListParams.read(request)
        me, now = request.user, times.now()
        is_whole = sees_phones(me.role)
        users = user_list(key=values["key"], by_phone=is_whole, roleid=values["roleid"]).filter(people_visible(me))
        total, page = page_of(users, values)
        rows = [user_fields(user, now) for user in page]
        for row in rows:
            if not is_whole and row["unid"] != me.unid:
                row["phone"] = phone_masked(row["phone"])
        return ok("success", total=total, users=rows)

    @Endpoint("POST", "/users/register", "用户注册", Access.ROOT, aliases=("/users/addUser",), docs=docs.REGISTER)
    def register(self, request: Request) -> Envelope:
        values: dict[str, Any] = params.RegisterParams.read(request)
        roleid = values.pop("roles", None) or values.pop("roleid", None)
        values.pop("roleid", None)
        user = user_register(**values, hashed=make_password(values["password"]), roleid=roleid, by_root=True)
        return ok("注册成功", status=1, userInfo=user_fields(user, times.now()))

    @Endpoint("POST", "/users/login", "用户登入", Access.OPEN, docs=docs.LOGIN)
    def login(self, request: Request) -> Envelope:
        if request.query_params.get("type") == "sms":
            values = params.SmsLoginParams.read(request)
            context = login_context(request, LoginMethod.SMS)
            key = values["key"] or request.COOKIES.get(SMS_COOKIE, "")
            user = sms_verify(key=key, code=values["code"], context=context)
        else:
            values = params.LoginParams.read(request)
            context = login_context(request, LoginMethod.API, _captcha_of(request, values))
            user = password_verify(username=values["username"], password=values["password"], context=context)
        login_complete(user=user, context=context)
        if values["refresh"]:
            tokens = family_begin(user=user, access_s=values.get("access_s"))._asdict()
        else:
            tokens = {"token": token_issue(user)}
        response = ok("登入成功", status=1, **login_fields(user, context.now), **tokens)
        device_remember(request, response, user)
        return response

    @Endpoint("POST", "/users/refresh", "刷新令牌", Access.OPEN, docs=docs.REFRESH)
    def refresh(self, request: Request) -> Envelope:
        values = params.RefreshParams.read(request)
        return ok("刷新成功", status=1, **tokens_refresh(values["refresh"], now=times.now())._asdict())

    @Endpoint("POST", "/sms/send", "发送短信验证码", Access.OPEN, docs=docs.SMS_SEND)
    def send_sms(self, request: Request) -> Envelope:
        values = params.SmsSendParams.read(request)
        key = sms_code_send(
            phone=values["phoneNumber"],
            network=client_network(request),
            asker=getattr(request.user, "unid", ""),
            captcha=_captcha_of(request, values),
            now=times.now(),
        )
        response = ok("OK", key=key)
        cookie_set(request, response, SMS_COOKIE, key, max_age_s=int(LIFETIME.total_seconds()))
        return response

    @Endpoint(
        "GET",
        "/users/getQrcode",
        "获取扫码登入的二维码地址",
        Access.OPEN,
        aliases=("/users/getScancode",),
        docs=docs.QRCODE,
    )
    def get_qrcode(self, request: Request) -> Envelope:
        sid = params.QrcodeParams.read(request).get("sid", "")
        is_bare = not sid and settings.SANDBOX and "getscancode" in request.path.lower()  # its clients send none
        if is_bare:
            sid = waiting_sid(client_ip(request), own=request.COOKIES.get(SCAN_COOKIE, ""))
        if not sid:
            raise errors.SidMissing
        response = ok(scanCodeUrl=scan_code_make(sid=sid, **wechat_addresses(request, CALLBACK)))
        if is_bare:
            cookie_set(request, response, SCAN_COOKIE, sid, max_age_s=3600)
        return response

    @Endpoint("GET", CALLBACK, "微信授权后的跳转页", Access.OPEN, docs=docs.CALLBACK)
    def wechat_call_back(self, request: Request) -> HttpResponse:
        if request.method == "HEAD":
            return HttpResponse()  # link previews send HEAD, which must not use the code up
        is_person = "text/html" in request.headers.get("Accept", "")
        try:
            _take_scan(request, params.CallbackParams.read(request))
        except DomainError as error:
            if not is_person:
                raise
            if isinstance(error, errors.WechatSnapshotLeft):
                state = params.CallbackParams.read(request)["state"]
                return HttpResponseRedirect(consent_url(state=state, **wechat_addresses(request, CALLBACK)))
            return _page(request, error)
        return _page(request) if is_person else ok("已扫码")

    @Endpoint("GET", "/users/wechatLogin", "微信登入", Access.OPEN, docs=docs.WECHAT_LOGIN)
    def wechat_login(self, request: Request) -> Envelope:
        values = params.WechatLoginParams.read(request)
        profile_limit(client_network(request))
        context = login_context(request, LoginMethod.WECHAT)
        user = wechat_verify(code=values["wechatCode"], context=context)
        login_complete(user=user, context=context)
        return ok("微信登入成功", token=token_issue(user), **login_fields(user, context.now))

    @Endpoint("POST", "/users/wxLogin", "小程序登入", Access.OPEN, docs=docs.WX_LOGIN)
    def wx_login(self, request: Request) -> Envelope:
        values = params.WxLoginParams.read(request)
        profile_limit(client_network(request))
        context = login_context(request, LoginMethod.MINI)
        user, openid = mini_verify(**values, context=context)
        login_complete(user=user, context=context)
        token = token_issue(user, payer=(settings.WECHAT_MINI_APP_ID, openid))
        return ok("微信登入成功", token=token, **login_fields(user, context.now))

    @Endpoint(
        "GET",
        "/users/sigout",
        "退出登入",
        Access.ANY_USER,
        aliases=("/users/signout",),
        docs=docs.SIGN_OUT,
        is_reading=True,
    )
    def sign_out(self, request: CallerRequest) -> Envelope:
        token_revoke(request.user.claims, now=times.now())
        return ok("退出成功", status=1)

    @Endpoint("POST", "/users/uploadAvatar", "上传用户头像", Access.ANY_USER, docs=docs.UPLOAD_AVATAR)
    def upload_avatar(self, request: CallerRequest) -> Envelope:
        values = params.AvatarParams.read(request)
        unid = values.get("uId") or values.get("unid") or ""
        user = _own_or_any(request, errors.AvatarRefused, NotPermitted, unid=unid)
        url = avatars.store().take(request, "headimgurl")
        avatar_set(user_pk=user.pk, url=url)
        return ok("图片上传成功", status=1, headimgurl=full_url(url), imgurl=full_url(url))

    @Endpoint("ANY", "/verify", "校验登入状态", Access.ANY_USER, docs=docs.VERIFY, is_quick=True)
    def verify(self, request: CallerRequest) -> Envelope:
        me = request.user
        decode = {"username": me.username, "nickname": me.nickname, "unid": me.unid}
        times = {name: me.claims[name] for name in ("iat", "exp")}
        return ok("校验成功", status=1, decode=decode | {"roleid": me.role.roleid} | times)

    @Endpoint("POST", "/users/updatePassword", "修改用户密码", Access.ANY_USER, docs=docs.UPDATE_PASSWORD)
    def update_password(self, request: CallerRequest) -> Envelope:
        values = params.PasswordParams.read(request)
        user = _own_or_any(request, errors.UserUnknown, NotPermitted, username=values["username"])
        password_change(
            user_pk=user.pk,
            by_root=request.user.is_root,
            old_password=values["oldPassword"],
            new_password=values["newPassword"],
            context=login_context(request, LoginMethod.API),
        )
        return ok("密码修改成功", status=1)

    @Endpoint("POST", "/users/updateUser", "修改用户信息", Access.ANY_USER, docs=docs.UPDATE_USER)
    def update_user(self, request: CallerRequest) -> Envelope:
        values = params.UserUpdateParams.read(request)
        user = _own_or_any(request, errors.UserToChangeUnknown, errors.UserNotYours, unid=values.pop("unid"))
        if picture := avatars.store().take_or_name(request, "headimgurl"):
            values["headimgurl"] = picture
        user_update(
            user_pk=user.pk,
            by_root=request.user.is_root,
            old_password=values.pop("oldPassword"),
            new_password=values.pop("password"),
            proof=PhoneProof(values.pop("key") or request.COOKIES.get(SMS_COOKIE, ""), values.pop("code")),
            context=login_context(request, LoginMethod.API),
            changes=values,
        )
        return ok("更新成功")

    @Endpoint("GET", "/users/deleteUser", "删除用户", Access.ROOT, docs=docs.DELETE_USER)
    def delete_user(self, request: CallerRequest) -> Envelope:
        values = params.UserDeleteParams.read(request)
        if not values["unid"] and not values["username"]:
            raise errors.UserToDeleteMissing
        users_delete(unids=values["unid"], username=values["username"], by_pk=request.user.pk)
        return ok("删除成功")


def _own_or_any(request: CallerRequest, unknown: type[DomainError], refused: type[DomainError], **key: str) -> User:
    """Return the user with this key, whom the caller may change: the own one, as root any."""
    user = User.objects.filter(**key).first()
    if user is None:
        raise unknown
    if user.pk != request.user.pk and not request.user.is_root:
        raise refused
    return user


def _new_captcha(request: Request) -> Envelope:
    key, img = captcha_make()
    response = ok(img=img, key=key)
    cookie_set(request, response, CAPTCHA_COOKIE, key, max_age_s=LIFETIME_S)
    return response


def _captcha_of(request: Request, values: dict[str, Any]) -> CaptchaAnswer:
    return CaptchaAnswer(values["key"] or request.COOKIES.get(CAPTCHA_COOKIE, ""), values["captcha"])


class Declined(errors.CodeInvalid):
    """The person refused on WeChat's page; the QR code can be scanned again."""


def _take_scan(request: Request, values: dict[str, Any]) -> None:
    state, code = values["state"], values.get("code")
    if not is_open(state):
        raise errors.CodeInvalid
    if code is None:
        raise Declined
    profile_limit(client_network(request))
    try:
        profile_keep(code=code)
    except errors.WechatSnapshot:
        raise  # the QR code stays open, because the phone comes back with another code
    except errors.WechatCodeSpent:
        raise errors.CodeInvalid from None
    code_scanned(state=state, wechat_code=code)


def _page(request: Request, error: DomainError | None = None) -> HttpResponse:
    context = {
        "error": error,
        "is_declined": isinstance(error, Declined),
        "is_snapshot": isinstance(error, errors.WechatSnapshot),
    }
    response = render(request, "accounts/wechat_callback.html", context)
    response.headers["Referrer-Policy"] = "no-referrer"  # the page's URL contains code and state
    response.headers["Cache-Control"] = "no-store"
    return response
