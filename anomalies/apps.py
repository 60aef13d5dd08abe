"""The app: Driftlock itself."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AnomaliesConfig(AppConfig):
    """Anomalies, the thresholds they were found with, and who decided what about them."""

    name = "anomalies"
    verbose_name = "Driftlock"

    def ready(self) -> None:
        """Connect the receivers, register the checks, read the masks, name the tables."""
        from anomalies.connection_settings import on_connection_created
        from anomalies.languages.names import give_names
        from anomalies.ownership import checks as ownership_checks  # noqa: F401
        from anomalies.privacy import masks
        from anomalies.replica import checks as replica_checks  # noqa: F401
        from anomalies.schema import checks  # noqa: F401
        from anomalies.sign_in import checks as sign_in_checks  # noqa: F401
        from anomalies.web import login_audit  # noqa: F401

        give_names(self.get_models())
        connection_created.connect(on_connection_created)
        masks.configured()  # a wrong one is reported before anything starts
