"""The demo accounts as they were at first, and a month of their logins, refused ones too."""

from datetime import datetime, timedelta
from random import Random

from accounts.demo_users import DEMO_USERS
from accounts.models import LoginAttempt, LoginLog, LoginMethod, User
from permissions.models import Role

NETWORK = "192.0.2."  # reserved for documentation, so no real login comes from it
DAYS = 30
DEVICES = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 14; V2301A) Chrome/126.0 Mobile Safari/537.36",
]
Outcome = LoginAttempt.Outcome


def logins_seed(*, now: datetime) -> str:
    """Make the logins, unless there has been one."""
    if LoginLog.objects.exists() or LoginAttempt.objects.exists():
        return "已有登录记录，保持不变"
    return logins_reset(now=now)


def logins_reset(*, now: datetime) -> str:
    """Make the logins again; those of real people stay."""
    LoginLog.objects.filter(ip__startswith=NETWORK).delete()
    LoginAttempt.objects.filter(ip__startswith=NETWORK).delete()
    random = Random(DAYS)  # noqa: S311  (always the same)
    users = list(User.objects.filter(username__in=[demo.username for demo in DEMO_USERS]).order_by("pk"))
    logins: list[LoginLog] = []
    attempts: list[LoginAttempt] = []
    last: dict[int, LoginLog] = {}
    for ago in range(DAYS, 0, -1):
        for number, user in enumerate(users):
            at = (now - timedelta(days=ago, minutes=-random.randint(0, 600))).replace(second=0, microsecond=0)
            ip, device = f"{NETWORK}{10 + number + random.choice([0, 0, 0, 20])}", DEVICES[number % len(DEVICES)]
            method = random.choice([LoginMethod.API, LoginMethod.OFFICE]) if user.is_staff else LoginMethod.API
            attempt = {"door": method, "username": user.username, "ip": ip, "device": device}
            if random.random() < 0.1:
                attempts.append(LoginAttempt(at=at - timedelta(minutes=1), outcome=Outcome.WRONG, **attempt))
            attempts.append(LoginAttempt(at=at, outcome=Outcome.DONE, **attempt))
            if method is LoginMethod.OFFICE:
                continue
            previous = last.get(user.pk)
            last[user.pk] = LoginLog(
                user=user, username=user.username, ip=ip, logged_in_at=at,
                last_ip=previous.ip if previous else "", last_logged_in_at=previous.logged_in_at if previous else None,
            )  # fmt: skip
            logins.append(last[user.pk])
    LoginLog.objects.bulk_create(logins)
    LoginAttempt.objects.bulk_create(sorted(attempts, key=lambda attempt: attempt.at), ignore_conflicts=True)
    return f"写入登录记录 {len(attempts)} 条"


def accounts_reset() -> str:
    """Set the demo accounts back to their initial state and end their tokens."""
    roles = {role.roleid: role for role in Role.objects.all()}
    for demo in DEMO_USERS:
        user = User.objects.select_for_update(no_key=True).filter(username=demo.username).first()
        user = user or User(username=demo.username)
        for name in ("phone", "headimgurl", "sex", "city", "province", "country"):
            setattr(user, name, "")
        user.nickname, user.role, user.is_staff, user.is_active = demo.nickname, roles[demo.roleid], demo.is_staff, True
        user.vip_level, user.vip_expires_at, user.is_phone_bound = 0, None, False
        user.set_password(demo.password)
        user.save()
    return f"恢复账号 {len(DEMO_USERS)} 个"
