from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    """``django.contrib.admin`` with our entrance."""

    default_site = "accounts.entrance.site.BackOfficeSite"
