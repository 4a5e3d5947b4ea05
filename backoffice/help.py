"""Which chapter of the staff handbook explains a page of the back office."""

# The longest beginning of the address counts.
CHAPTERS = {
    "": "home",
    "accounts/": "roles",
    "auditlog/": "who",
    "accounts/loginlog/": "who",
    "accounts/loginattempt/": "who",
    "classroom/": "roles",
    "core/export/": "import",
    "daily/": "reconcile",
    "login/": "login",
    "password_change/": "login",
    "second-factor/": "login",
    "payments/": "reconcile",
    "payments/refund/": "refund",
    "permissions/": "roles",
    "shop/order/": "ship",
    "shop/courier/": "ship",
    "shop/product/": "products",
    "shop/category/": "products",
    "students/": "students",
    "students/transferrun/": "import",
}
REFUND_LISTS = {"returns", "refunds"}


def chapter_of(path: str, work: str = "") -> str:
    """Return the chapter's name for an address below ``/admin/`` and, of a list of orders, the work list."""
    if work in REFUND_LISTS:
        return "refund"
    below = path.removeprefix("/admin/")
    return CHAPTERS[max((begin for begin in CHAPTERS if below.startswith(begin)), key=len)]
