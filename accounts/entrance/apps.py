from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    """``django.contrib.admin`` with ``BackOfficeSite``, which checks every user who enters."""

    default_site = "accounts.entrance.site.BackOfficeSite"
