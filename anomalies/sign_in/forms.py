"""The forms of passkeys: what a browser sends that is no credential is an error of the form."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    ReauthenticateWebAuthnForm,
)

_MALFORMED = (AttributeError, KeyError, LookupError, TypeError, ValueError)


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey."""

    def clean(self) -> Any:
        """Verify the credential."""
        try:
            return super().clean()
        except _MALFORMED as error:
            raise get_adapter().validation_error("incorrect_code") from error


class PasskeyForm(AuthenticateWebAuthnForm):
    """A passkey as the second step of a login."""

    def clean_credential(self) -> Any:
        """Verify the credential."""
        try:
            return super().clean_credential()
        except _MALFORMED as error:
            raise get_adapter().validation_error("incorrect_code") from error


class ConfirmByPasskeyForm(PasskeyForm, ReauthenticateWebAuthnForm):
    """A passkey that confirms who it is."""
