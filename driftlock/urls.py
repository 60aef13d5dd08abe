"""The addresses of the admin and of the HTTP API; the root redirects to the admin."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("sign-in/", include("anomalies.sign_in.urls")),
    path("admin/", admin.site.urls),
    path("", include("anomalies.api.urls")),
]

handler400 = "anomalies.web.error_pages.bad_request"
handler403 = "anomalies.web.error_pages.forbidden"
handler404 = "anomalies.web.error_pages.not_found"
handler500 = "anomalies.web.error_pages.server_error"
