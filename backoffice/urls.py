"""Pages of the back office that belong to no single app; below /admin/."""

from django.contrib import admin
from django.urls import path

from backoffice.daily import daily_page
from backoffice.dashboard import waiting_page
from backoffice.figures import figures_page
from backoffice.personal_data import person_file

urlpatterns = [
    path("daily/", admin.site.admin_view(daily_page), name="daily"),
    path("figures/", admin.site.admin_view(figures_page), name="figures"),
    path("person/<int:pk>.json", admin.site.admin_view(person_file), name="person_data"),
    path("waiting.json", admin.site.admin_view(waiting_page), name="waiting"),
]
