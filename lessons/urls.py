"""Pages of the class room; below /admin/."""

from django.contrib import admin
from django.urls import path

from lessons.pages import classroom_page, lesson_page
from lessons.slips import slips_again, student_slip

urlpatterns = [
    path("classroom/", admin.site.admin_view(classroom_page), name="classroom"),
    path("classroom/<path:class_name>/", admin.site.admin_view(lesson_page), name="lesson"),
    path("slips/", admin.site.admin_view(slips_again), name="slips"),
    path("student-slip/<int:pk>/", admin.site.admin_view(student_slip), name="student_slip"),
]
