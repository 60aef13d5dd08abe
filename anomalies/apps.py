"""The app: Driftlock itself."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AnomaliesConfig(AppConfig):
    """Anomalies, the thresholds they were found with, and who decided what about them."""

    name = "anomalies"
    verbose_name = "Driftlock"

    def ready(self) -> None:
        """Connect the receivers of logins and of new connections, and register the checks."""
        from anomalies.connection_settings import on_connection_created
        from anomalies.schema import checks  # noqa: F401
        from anomalies.web import login_audit  # noqa: F401

        connection_created.connect(on_connection_created)
