"""The addresses of signing in through a provider; all others of django-allauth are not served."""

from django.urls import path
from django.views.generic import RedirectView

from . import views

urlpatterns = [
    # Where django-allauth sends somebody whose sign-in can't be continued.
    path("", RedirectView.as_view(pattern_name="admin:login"), name="account_login"),
    path("provider/", views.begin, name="sign_in_provider"),
    path("provider/callback/", views.callback, name="sign_in_callback"),
]
