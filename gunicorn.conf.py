"""gunicorn reads this file in the folder where it starts; the package has the settings, also for a wheel."""

from driftlock.gunicorn_settings import child_exit, threads, when_ready, worker_class

__all__ = ["child_exit", "threads", "when_ready", "worker_class"]
