"""Roles: which calls a user may make, which menu and buttons the client shows, and the rights in the back office."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.functional import cached_property

from core.api.access import Access

ROOT_ROLEID = "1"
DEFAULT_ROLEID = "200"


class ClientButton(models.TextChoices):
    """Buttons that a client shows; the server never checks them."""

    READ = "read", "查看"
    ADD = "add", "新增"
    EDIT = "edit", "修改"
    DELETE = "delete", "删除"


class DataScope(models.TextChoices):
    """Which rows a role sees and may change (``permissions.scope``), the widest first."""

    ALL = "all", "全部"
    CHANGE_OWN = "change_own", "仅本人可改"
    CAMPUS = "campus", "本校区"
    CLASS = "class", "本班"
    OWN = "own", "仅本人"

    @property
    def is_by_classes(self) -> bool:
        """Classes decide, beside who has entered a row."""
        return self in (DataScope.CAMPUS, DataScope.CLASS)

    @property
    def columns(self) -> dict[str, Any]:
        """The columns by which a role has this scope."""
        flags = {"sees_classes": self.is_by_classes, "sees_campus": self is DataScope.CAMPUS}
        return {"data_scope": DataScope.OWN if self.is_by_classes else self} | flags


class Role(models.Model):
    """A role of the API. A user has exactly one.

    A role with an ``origin`` is its copy with a data scope of its own; all else follows (``services.roles``).
    ``menu`` is a tree of ``{"name": ..., "children"?: [...]}``. ``rows`` are API paths that the role opens, each exact
    or ending in ``*``. ``buttons`` tell the client what to show. ``permissions`` are Django's, for the back office.
    """

    NAME_LENGTH = 64
    SCOPES: ClassVar = [choice for choice in DataScope.choices if not DataScope(choice[0]).is_by_classes]
    FOLLOWING = ("menu", "rows", "buttons")  # what a copy takes from its origin, beside the rights of the back office

    roleid = models.CharField("角色编号", max_length=32, unique=True)
    name = models.CharField("角色名称", max_length=NAME_LENGTH)
    menu = models.JSONField("菜单", default=list, blank=True)
    rows = ArrayField(models.CharField(max_length=128), verbose_name="可调用的接口", default=list, blank=True)
    buttons = ArrayField(
        models.CharField(max_length=16, choices=ClientButton), verbose_name="按钮权限", default=list, blank=True
    )
    data_scope = models.CharField(
        "数据权限",
        max_length=16,
        choices=SCOPES,
        default=DataScope.ALL,
        db_default=DataScope.ALL,
    )
    # Beside 仅本人 and no values of their own: 1.1.0 would show such a role everything.
    sees_classes = models.BooleanField("本班", default=False, db_default=False, editable=False)
    sees_campus = models.BooleanField("本校区", default=False, db_default=False, editable=False)
    origin = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        verbose_name="来源角色",
        related_name="copies",
        db_index=False,
        db_constraint=False,  # 1.1.0 deletes a role without knowing of its copies
        help_text="菜单、接口、按钮和后台权限都随来源角色，在那里修改",
    )
    permissions = models.ManyToManyField(
        "auth.Permission", verbose_name="后台权限", blank=True, help_text="此角色的后台人员能查看和修改什么"
    )
    created_at = models.DateTimeField("创建时间", auto_now_add=True)
    updated_at = models.DateTimeField("更新时间", auto_now=True)

    class Meta:
        verbose_name = verbose_name_plural = "角色"
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name}（{self.roleid}）"

    @property
    def is_root(self) -> bool:
        return self.roleid == ROOT_ROLEID

    @property
    def scope(self) -> DataScope:
        if self.data_scope != DataScope.OWN or not self.sees_classes:
            return DataScope(self.data_scope)
        return DataScope.CAMPUS if self.sees_campus else DataScope.CLASS

    @cached_property
    def paths(self) -> frozenset[str]:
        """The rows that are exact paths, normalized."""
        return frozenset(row for row in map(row_normalized, self.rows) if not row.endswith("*"))

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """What stands before the ``*`` in the other rows, in lower case."""
        return tuple(row[:-1].lower() for row in self.rows if row.endswith("*"))

    def may_call(self, paths: Iterable[str], access: Access | None) -> bool:
        """Tell whether a logged-in user with this role may make a call that declares ``access``.

        :param paths: the documented path of the call, and its aliases. The role's rows may name any of them.
        """
        if access is None:
            return False
        if self.is_root or access in (Access.OPEN, Access.ANY_USER):
            return True
        return access is Access.ROWS and any(
            path in self.paths or path.startswith(self.prefixes) for path in map(str.lower, paths)
        )


def row_normalized(row: str) -> str:
    """Return ``row`` in lower case and without a slash at its end: spellings that mean the same call become equal."""
    return row.lower().rstrip("/") or "/"


class EnteredRow(models.Model):
    """Base of the rows that a data scope is about: each knows who entered it.

    None: of no user, as what was there before or came with old data. No constraint in the database, because adding it
    would lock the users too, and a deleted student may come back after the user is gone.
    """

    class_path: ClassVar[str] = ""  # where the name of the row's class stands, as a query writes it; "": of no class

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        verbose_name="录入人",
        related_name="+",
        db_index=False,
        db_constraint=False,
    )

    class Meta:
        abstract = True
