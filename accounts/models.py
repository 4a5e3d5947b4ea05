"""Users, revoked tokens and logins."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac

from accounts.usernames import Folded, is_system
from core.times import format_office_time
from permissions.models import ROOT_ROLEID, Role


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user with the role root (`manage.py createsuperuser`)."""
        return self.create_user(username, password, is_staff=True, role=Role.objects.get(roleid=ROOT_ROLEID), **fields)


def new_unid() -> str:
    return uuid.uuid4().hex


class User(AbstractBaseUser, PermissionsMixin):
    """A person who logs in, by password or by WeChat.

    ``epoch`` is incremented by everything that must end the user's tokens: a new password, being disabled, "sign out
    everywhere". A token carries the epoch in which it was issued, and is valid only as long as that is the user's
    epoch. What a user may do in the API and in the back office depends on the role alone.
    """

    groups = None  # type: ignore[assignment]
    user_permissions = None  # type: ignore[assignment]

    unid = models.CharField("用户编号", max_length=64, unique=True, default=new_unid, editable=False)
    username = models.CharField("用户名", max_length=64, unique=True)
    nickname = models.CharField("昵称", max_length=64, blank=True)
    phone = models.CharField("手机号", max_length=32, blank=True)
    is_phone_bound = models.BooleanField("可用短信登录", default=False, db_default=False, editable=False)
    role = models.ForeignKey(Role, models.PROTECT, verbose_name="角色", related_name="users")
    headimgurl = models.CharField("头像", max_length=500, blank=True)
    openid = models.CharField("微信 openid", max_length=128, blank=True)
    wechat_appid = models.CharField("微信 appid", max_length=64, blank=True)
    unionid = models.CharField("微信 unionid", max_length=128, null=True, blank=True, unique=True)
    sex = models.CharField("性别", max_length=8, blank=True)
    city = models.CharField("城市", max_length=64, blank=True)
    province = models.CharField("省份", max_length=64, blank=True)
    country = models.CharField("国家", max_length=64, blank=True)
    class_name = models.CharField(
        "班级", max_length=32, blank=True, default="", db_default="", help_text="与全班账号一起开的才有", editable=False
    )
    campus = models.CharField(
        "校区", max_length=32, blank=True, default="", db_default="", help_text="数据权限“本校区”的同事看这个校区的班"
    )
    vip_level = models.PositiveSmallIntegerField("VIP 等级", default=0, db_default=0)
    vip_expires_at = models.DateTimeField(
        "VIP 到期时间", null=True, blank=True, help_text="有等级而没有到期时间：长期有效"
    )
    # What is left of lower levels, which follows: [[level, seconds]], the highest first; null seconds have no end.
    vip_rest = models.JSONField("之后的 VIP", null=True, blank=True, editable=False)
    is_active = models.BooleanField("启用", default=True, help_text="停用后立即失去登录状态")
    is_staff = models.BooleanField("可进入后台", default=False)
    epoch = models.PositiveIntegerField("令牌批次", default=1, editable=False)
    # Two weeks after the class has ended. Only a practice server clears accounts (``accounts.selectors.users_over``).
    ends_at = models.DateTimeField("清空时间", null=True, blank=True, editable=False)
    created_at = models.DateTimeField("创建时间", auto_now_add=True)

    objects = UserManager()
    USERNAME_FIELD = "username"

    class Meta:
        verbose_name = verbose_name_plural = "用户"
        ordering = ["-pk"]
        permissions = [("phone_user", "看完整电话")]
        indexes = [
            # For the list of the back office, newest first: a user who has never logged in comes last.
            models.Index(models.F("last_login").desc(nulls_last=True), models.F("id").desc(), name="user_last_login"),
            models.Index(fields=["phone"], name="user_phone", opclasses=["varchar_pattern_ops"]),  # for a prefix, too
            models.Index(fields=["class_name"], name="user_class"),
            models.Index(Folded("username"), name="user_folded_name"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["wechat_appid", "openid"], condition=~models.Q(openid=""), name="user_one_per_openid"
            ),
            # Several users may enter the same phone number; accounts.services.phones says whose login it is.
            models.UniqueConstraint(
                fields=["phone"], condition=models.Q(is_phone_bound=True), name="user_one_per_login_phone"
            ),
        ]

    def __str__(self) -> str:
        return self.nickname or self.username

    def save(self, *args: Any, **kwargs: Any) -> None:
        # A new password must end all tokens, whether a service, the back office or a shell sets it. Django keeps the
        # raw password in `_password` until it is saved. It is None if only the hash of the same password is renewed.
        if self._password is not None and not self._state.adding:  # type: ignore[attr-defined]
            self.epoch += 1
            if (fields := kwargs.get("update_fields")) is not None:
                kwargs["update_fields"] = {*fields, "epoch"}
        super().save(*args, **kwargs)

    @property
    def label(self) -> str:
        """The user name as logs show it: a user who is called like the system is told from it."""
        return f"用户（{self.username}）" if is_system(self.username) else self.username

    @property
    def is_superuser(self) -> bool:  # type: ignore[override]
        return self.role.roleid == ROOT_ROLEID  # as Role.is_root; a page asks two hundred times

    def vip_ends(self) -> Iterator[tuple[int, datetime | None]]:
        """Yield each VIP level and its end in the order in which they run; None: it has no end, so it is the last."""
        if self.vip_level:
            yield self.vip_level, self.vip_expires_at
        ends = self.vip_expires_at
        for level, seconds in self.vip_rest or ():
            if ends is None:
                return
            ends = None if seconds is None else ends + timedelta(seconds=seconds)
            yield level, ends

    def vip_at(self, now: datetime) -> tuple[int, datetime | None]:
        """Return the VIP level that runs at ``now``, and its end; 0 and None if the VIP has ended."""
        return next(((level, ends) for level, ends in self.vip_ends() if ends is None or ends > now), (0, None))

    def vip_level_at(self, now: datetime) -> int:
        return self.vip_at(now)[0]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Include the epoch, so that what ends the user's tokens ends the sessions of the back office too.
        return salted_hmac("accounts.User.session", f"{self.password}{self.epoch}", secret=secret).hexdigest()


class RevokedToken(models.Model):
    """A token that was revoked before it expired; ``jti`` is its id."""

    jti = models.CharField("令牌编号", max_length=64, primary_key=True)
    expires_at = models.DateTimeField("过期时间", db_index=True)

    class Meta:
        verbose_name = verbose_name_plural = "已注销令牌"

    def __str__(self) -> str:
        return self.jti


class RefreshFamily(models.Model):
    """A login whose token is refreshed. ``jti`` is that of its tokens, ``current`` that of its refresh token."""

    jti = models.CharField("令牌编号", max_length=64, primary_key=True)
    current = models.CharField("有效的刷新令牌", max_length=64)
    expires_at = models.DateTimeField("过期时间", db_index=True)

    class Meta:
        verbose_name = verbose_name_plural = "可刷新的登录"
        default_permissions = ()

    def __str__(self) -> str:
        return self.jti


class LoginMethod(models.TextChoices):
    """The way a person tries to log in."""

    API = "api", "接口"
    SMS = "sms", "短信"
    WECHAT = "wechat", "微信"
    MINI = "mini", "小程序"
    OFFICE = "office", "后台"


class LoginLog(models.Model):
    """A successful login. It also holds time and address of the user's previous one, since the API shows both."""

    user = models.ForeignKey(User, models.SET_NULL, null=True, verbose_name="用户", related_name="logins")
    username = models.CharField("用户名", max_length=64, db_index=True)
    ip = models.CharField("登录 IP", max_length=45, blank=True)
    logged_in_at = models.DateTimeField("登录时间")
    # 1.1.0 writes rows without it.
    method = models.CharField("方式", max_length=8, choices=LoginMethod, blank=True, default="", db_default="")
    last_ip = models.CharField("上次 IP", max_length=45, blank=True)
    last_logged_in_at = models.DateTimeField("上次登录时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "登录日志"
        ordering = ["-pk"]
        indexes = [models.Index(fields=["user", "-id"], name="loginlog_of_user")]

    def __str__(self) -> str:
        return f"{self.username} {format_office_time(self.logged_in_at)}"
