"""The login by name and password; who has a second factor is asked for it next."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse


class PasswordLogin(LoginView):
    """Django's view; the stages of django-allauth come between the password and the session."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in, or go on to the page of the second factor."""
        user = form.get_user()
        login = Login(user=user, redirect_url=self.get_success_url())
        response: HttpResponse = perform_password_login(
            self.request, {"username": user.get_username()}, login
        )
        return response
