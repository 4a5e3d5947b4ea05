"""The demo accounts as they were at first."""

from accounts.demo_users import DEMO_USERS
from accounts.models import User
from permissions.models import Role


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
