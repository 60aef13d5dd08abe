"""One surface for people: the admin, at the root's door."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
]

handler400 = "anomalies.admin.errors.bad_request"
handler403 = "anomalies.admin.errors.forbidden"
handler404 = "anomalies.admin.errors.not_found"
handler500 = "anomalies.admin.errors.server_error"
