"""The addresses of signing in by a provider and by second factors; no other of django-allauth is served."""

from django.urls import path
from django.views.generic import RedirectView

from . import factor_views, views

urlpatterns = [
    # Where django-allauth sends somebody whose sign-in can't be continued.
    path("", RedirectView.as_view(pattern_name="admin:login"), name="account_login"),
    path("provider/", views.begin, name="sign_in_provider"),
    path("provider/callback/", views.callback, name="sign_in_callback"),
    path("second-factor/", factor_views.SecondFactor.as_view(), name="mfa_authenticate"),
    path("factors/", factor_views.Factors.as_view(), name="mfa_index"),
    path("factors/app/add/", factor_views.AddApp.as_view(), name="mfa_activate_totp"),
    path("factors/app/remove/", factor_views.RemoveApp.as_view(), name="mfa_deactivate_totp"),
    path("factors/recovery-codes/", factor_views.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path(
        "factors/recovery-codes/new/",
        factor_views.NewRecoveryCodes.as_view(),
        name="mfa_generate_recovery_codes",
    ),
    path("factors/passkeys/add/", factor_views.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path(
        "factors/passkeys/<int:pk>/remove/", factor_views.RemovePasskey.as_view(), name="mfa_remove_webauthn"
    ),
    path(
        "factors/confirm/password/", factor_views.ConfirmByPassword.as_view(), name="account_reauthenticate"
    ),
    path("factors/confirm/code/", factor_views.ConfirmByCode.as_view(), name="mfa_reauthenticate"),
    path(
        "factors/confirm/passkey/",
        factor_views.ConfirmByPasskey.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
]
