"""The WSGI application, for an application server: ``gunicorn driftlock.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")

application = get_wsgi_application()
