"""The data scope of a role (数据权限): which rows of others a caller sees, and which the caller may change.

The selectors and services of every app ask a :class:`Scope`. The rows keep in ``created_by`` who entered them; rows
without one belong to no user. The scope "class" adds the rows of the classes that a user heads or teaches, and "campus"
also those of the classes of the user's campus, where a model names the class of its rows (``EnteredRow.class_path``);
of all other rows both show what "own" shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Q, QuerySet

from core.api.request import present_request
from core.errors import DomainError, NotPermitted
from core.ids import mark_of
from core.registers import Register
from permissions.errors import ClassNotOwn
from permissions.models import DataScope, EnteredRow, Role

Row = TypeVar("Row", bound=EnteredRow)
# By the user's key, and whether the classes of the user's campus count too.
classes_of_user = Register[Callable[[int, bool], frozenset[str]]]("the names of a user's classes")


@dataclass(frozen=True)
class Scope:
    """The data scope of one caller; ``user_pk`` is the caller's user.

    ``names`` takes the place of the caller's classes, to show what belongs to some classes alone. ``is_school`` leaves
    out what trainees have entered to practise (:attr:`school`).
    """

    kind: DataScope = DataScope.ALL
    user_pk: int | None = None
    names: frozenset[str] | None = None
    is_school: bool = False

    @property
    def school(self) -> "Scope":
        """What the school's figures and papers are made of: the same rows without those that trainees practise with.

        On a practice server there are no others, so they count.
        """
        return self if settings.PRACTICE else replace(self, is_school=True)

    @property
    def is_narrow(self) -> bool:
        """Others' rows are hidden, or most of them."""
        return self.kind not in (DataScope.ALL, DataScope.CHANGE_OWN)

    @property
    def is_all(self) -> bool:
        return self.kind == DataScope.ALL

    @cached_property
    def classes(self) -> frozenset[str]:
        """The caller's classes under the scopes "class" and "campus"; under every other one none."""
        if self.names is not None or not self.kind.is_by_classes:
            return self.names or frozenset()
        return classes_of_user()(self.user_pk or 0, self.kind == DataScope.CAMPUS)

    def visible(self, prefix: str = "", *, of: type[EnteredRow] = EnteredRow) -> Q:
        """Match the rows of the model ``of`` that the caller sees. ``prefix`` leads to them, such as ``student__``."""
        rows = self._own(prefix, of) if self.is_narrow else Q()
        return rows & ~practised(prefix) if self.is_school else rows

    def changeable(self, *, of: type[EnteredRow] = EnteredRow) -> Q:
        """Match the rows that the caller may change and delete."""
        return Q() if self.is_all else self._own("", of)

    def _own(self, prefix: str, model: type[EnteredRow]) -> Q:
        own = Q(**{f"{prefix}created_by": self.user_pk})
        if model.class_path and self.classes:
            own |= Q(**{f"{prefix}{model.class_path}__in": self.classes})
        return own

    @property
    def key(self) -> str:
        """What a file or a run keeps, to be closed under a narrower scope. It differs where the classes differ."""
        return f"{DataScope.CLASS}:{mark_of(self.classes)[:10]}" if self.kind.is_by_classes else self.kind

    def opens_q(self, field: str) -> Q:
        """Match the rows that keep in ``field`` the key of a scope that shows no more than this one."""
        # Not an empty Q, which Django leaves out beside an OR: then the other side alone would count.
        narrower = DataScope.values[DataScope.values.index(self.kind) + 1 :]
        return ~Q(pk__in=[]) if self.is_all else Q(**{f"{field}__in": [self.key, *narrower]})

    def may_see(self, row: EnteredRow) -> bool:
        return not self.is_narrow or self._is_own(row)

    def may_change(self, row: EnteredRow) -> bool:
        return self.is_all or self._is_own(row)

    def _is_own(self, row: EnteredRow) -> bool:
        if row.created_by_id == self.user_pk:
            return True
        path = row.class_path.replace("__", ".")
        return bool(path and self.classes) and attrgetter(path)(row) in self.classes

    def require_change(self, row: EnteredRow) -> None:
        """Check that the caller may change a row in sight.

        :raises NotPermitted: another user has entered it.
        """
        if not self.may_change(row):
            raise NotPermitted

    def lock(self, rows: QuerySet[Row], missing: type[DomainError], visible: Q | None = None) -> Row:
        """Lock a row until the transaction ends, to change it.

        :param visible: what matches the rows that the caller sees, if that is not as in :meth:`visible`.
        :raises missing: there is none among ``rows``, or the caller does not see it.
        :raises NotPermitted: another user has entered it.
        """
        row = rows.select_for_update(no_key=True).filter(visible or self.visible(of=rows.model)).first()
        if row is None:
            raise missing
        self.require_change(row)
        return row

    def class_refusal(self, class_name: str) -> ClassNotOwn | None:
        """Say why the caller may not put a student into a class: a scope by classes has room in these alone."""
        if not self.kind.is_by_classes or class_name in self.classes:
            return None
        return ClassNotOwn(self.classes, is_campus=self.kind == DataScope.CAMPUS)

    def require_class(self, class_name: str) -> None:
        """Check that the caller may put a student into a class.

        :raises ClassNotOwn: see ``class_refusal``.
        """
        if refusal := self.class_refusal(class_name):
            raise refusal


def practised(prefix: str = "") -> Q:
    """Match the rows that trainees have entered: users of a class (``accounts``) who may not enter the back office."""
    return Q(**{f"{prefix}created_by__class_name__gt": "", f"{prefix}created_by__is_staff": False})


EVERYTHING = Scope()
NOTHING = Scope(DataScope.OWN, 0)  # 0 is no user's key; None would match the rows that no user has entered


def scope_of(user: Any) -> Scope:
    """Return the scope of a user (``accounts.User``) or of an API's caller. A caller without a login sees nothing.

    Of one user object, so in one request, it is the same each time: the classes are asked once.
    """
    role: Role | None = getattr(user, "role", None)
    if role is None:
        return NOTHING
    # On a practice server strangers meet: each has a school of one's own, whatever the role says.
    narrow = DataScope.OWN if settings.PRACTICE else role.scope
    scope = Scope(DataScope.ALL if role.is_root else narrow, user.pk or 0)
    kept: Scope = vars(user).setdefault("_scope", scope)
    return kept if kept == scope else scope


def present_scope() -> Scope:
    """Return the scope of the present request's user, for forms, which are not passed it; everything outside one."""
    request = present_request()
    return scope_of(request.user) if request else EVERYTHING
