"""Pages of the back office that belong to no single app; below /admin/."""

from django.contrib import admin
from django.urls import path

from backoffice.classroom import classroom_page, student_slip
from backoffice.daily import daily_page
from backoffice.dashboard import overview_file, waiting_page
from backoffice.figures import figures_page
from backoffice.lesson import lesson_page
from backoffice.person import person_file

urlpatterns = [
    path("classroom/", admin.site.admin_view(classroom_page), name="classroom"),
    path("classroom/<str:class_name>/", admin.site.admin_view(lesson_page), name="lesson"),
    path("student-slip/<int:pk>/", admin.site.admin_view(student_slip), name="student_slip"),
    path("daily/", admin.site.admin_view(daily_page), name="daily"),
    path("figures/", admin.site.admin_view(figures_page), name="figures"),
    path("person/<int:pk>.json", admin.site.admin_view(person_file), name="person_data"),
    path("waiting.json", admin.site.admin_view(waiting_page), name="waiting"),
    path("overview.csv", admin.site.admin_view(overview_file), name="overview"),
]
