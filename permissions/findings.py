"""``manage.py doctor``: do the roles and the calls fit together? ``permission_doctor`` says more."""

from collections.abc import Iterator

from core.ops.doctor import Finding
from permissions import doctor


def roles_and_calls() -> Iterator[Finding]:
    roles = doctor.all_rights()
    found = [
        Finding(False, f"{path} does not say who may call it: nobody may", _IN_CODE) for path in doctor.undeclared()
    ]
    found += [
        Finding(False, f"{path} is no call and no known page: no role is asked", _IN_CODE)
        for path in doctor.unknown_pages()
    ]
    found += [
        Finding(
            False, f"Role {roleid}: its row {row} opens nothing", "Correct or remove it: back office, 角色, 接口权限."
        )
        for roleid, row in doctor.idle_rows(roles)
    ]
    found += [
        Finding(None, f"{path} may be called by root alone: no role's rows name it") for path in doctor.uncovered(roles)
    ]
    yield from found or [Finding(True, "Every call says who may, every row of a role opens one")]


_IN_CODE = "A fault of this release: see CONTRIBUTING.md."
