"""The ASGI application, for those who serve over ASGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")

application = get_asgi_application()
