"""The caller of an API request (the principal), found by one prepared statement."""

from dataclasses import dataclass
from typing import Any

from core.db.pool import prepared_rows
from permissions import rights
from permissions.models import DataScope
from permissions.rights import Rights
from permissions.scope import Scope

# The role's place in its table and the transaction that wrote it: both change with every update of the row.
_CALLER = """
SELECT u.id, u.username, u.nickname, r.roleid, r.xmin::text || r.ctid::text
FROM accounts_user u JOIN permissions_role r ON r.id = u.role_id
WHERE u.unid = %(unid)s AND u.is_active AND u.epoch = %(epoch)s
AND NOT EXISTS (SELECT FROM accounts_revokedtoken WHERE jti = %(jti)s)
"""


@dataclass(frozen=True)
class Principal:
    """The logged-in user of a request, built from the token and the user's row.

    It is no model; ``pk`` is that of the row.
    """

    pk: int
    unid: str
    username: str
    nickname: str
    rights: Rights
    claims: dict[str, Any]
    is_authenticated: bool = True

    @property
    def roleid(self) -> str:
        return self.rights.roleid

    @property
    def is_root(self) -> bool:
        return self.rights.is_root

    @property
    def scope(self) -> Scope:
        return Scope(DataScope.ALL if self.is_root else self.rights.data_scope, self.pk)

    def __str__(self) -> str:
        return self.nickname or self.username


def principal_of(claims: dict[str, Any]) -> Principal | None:
    """Return the caller by the claims of a token with a valid signature.

    None if the token was revoked, its epoch is over, or the user is disabled or deleted.
    """
    values = {name: claims[name] for name in ("unid", "epoch", "jti")}
    for pk, username, nickname, roleid, version in prepared_rows(_CALLER, values):
        caller_rights = rights.rights_of(roleid, version)
        return Principal(pk, values["unid"], username, nickname, caller_rights, claims)
    return None
