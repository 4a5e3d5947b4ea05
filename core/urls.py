from django.urls import path

from core import views

urlpatterns = [
    path("health/live", views.alive),
    path("health/ready", views.ready),
]
