from django.urls import path

from core import metrics, views

urlpatterns = [
    path("health/live", views.alive),
    path("health/ready", views.ready),
    path("metrics", metrics.export),
]
