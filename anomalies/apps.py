"""The app: Driftlock itself."""

from django.apps import AppConfig


class AnomaliesConfig(AppConfig):
    """Anomalies, the thresholds they were found with, and who decided what about them."""

    name = "anomalies"
    verbose_name = "Driftlock"

    def ready(self) -> None:
        """Connect the receivers that write logins to the audit log."""
        from anomalies.web import login_audit  # noqa: F401
