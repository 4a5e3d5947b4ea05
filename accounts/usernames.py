"""Which user names look equal to a reader, and which ones no user may have."""

import re
import unicodedata
from collections.abc import Callable, Iterable

from django.db.models import Func, TextField

from core.registers import Register

# What a browser does not show: soft hyphens, joiners, marks of direction, fillers, variation selectors, tags. Python
# and PostgreSQL read the same pattern, as both compare names.
INVISIBLE = (
    r"[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u2800\u3164"
    r"\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]"
)
# Who acts in the logs of orders and money without being a user. Rows of the last release name the actor alone.
_ACTORS = {"系统", "迁入", "恢复备份", "对账", "对账单", "主动查询", "人工查询", "关单前查询", "发起支付时查询", "补记"}
_ACTOR_STARTS = ("微信支付", "微信通知", "微信应答")


def folded(username: str) -> str:
    """Return the name without what a reader overlooks: form (NFKC), invisible characters, blanks at its ends, case."""
    return re.sub(INVISIBLE, "", unicodedata.normalize("NFKC", username)).strip(" ").lower()


def is_system(name: str) -> bool:
    """Tell whether the name, however it is written, is that of an actor who is no user."""
    name = folded(name)
    return name in _ACTORS or name.startswith(_ACTOR_STARTS)


def is_reserved(username: str) -> bool:
    """Tell whether no user may take the name."""
    return is_system(username) or folded(username) == "root"


FOLDED = f"lower(btrim(regexp_replace(normalize({{}}, NFKC), '{INVISIBLE}', '', 'g')))"  # the same in SQL


class Folded(Func):
    """The expression of the index ``user_folded_name``."""

    template = FOLDED.format("%(expressions)s")
    output_field = TextField()


# Called with numbers; returns the students who have them: number, key of the account (None: no account), name.
NumberOwners = Callable[[Iterable[str]], Iterable[tuple[str, int | None, str]]]
number_owners = Register[NumberOwners]("whose a student's number is")
