"""What ``manage.py doctor`` reports about roles: calls that nobody may make, and rows that open no call.

``manage.py permission_doctor`` reports the same in detail.
"""

from collections.abc import Iterator

from core.ops.doctor import Finding
from permissions import access_report


def roles_and_calls() -> Iterator[Finding]:
    roles = access_report.all_rights()
    findings = [
        Finding(False, f"{path} does not say who may call it: nobody may", _IN_CODE)
        for path in access_report.undeclared()
    ]
    findings += [
        Finding(False, f"{path} is no call and no known page: no role is asked", _IN_CODE)
        for path in access_report.unknown_pages()
    ]
    findings += [
        Finding(
            False, f"Role {roleid}: its row {row} opens nothing", "Correct or remove it: back office, 角色, 接口权限."
        )
        for roleid, row in access_report.idle_rows(roles)
    ]
    findings += [
        Finding(None, f"{path} may be called by root alone: no role's rows name it")
        for path in access_report.uncovered(roles)
    ]
    yield from findings or [Finding(True, "Every call says who may, every row of a role opens one")]


_IN_CODE = "A fault of this release: see CONTRIBUTING.md."
