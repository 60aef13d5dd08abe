"""The product's settings on a throw-away server: never the data of ``make run``.

With DATABASE_URL set that server is used, in a database of its own (``test_…``), as Django does.
"""

import atexit
import os
import shutil
import tempfile

from tests.support.memory_folder import temporary_folder

os.environ["DRIFTLOCK_MODE"] = "development"
if not os.environ.get("DATABASE_URL"):
    # The commands that tests start as processes of their own find the same server through the environment.
    os.environ["DRIFTLOCK_DATA"] = temporary_folder("driftlock-test-")
    atexit.register(shutil.rmtree, os.environ["DRIFTLOCK_DATA"], ignore_errors=True)
# WhiteNoise warns where the folder is missing; nothing is collected in it.
os.environ["DRIFTLOCK_STATIC_ROOT"] = tempfile.mkdtemp(prefix="driftlock-test-")
atexit.register(shutil.rmtree, os.environ["DRIFTLOCK_STATIC_ROOT"], ignore_errors=True)

from driftlock.settings import *  # noqa: E402, F403
from driftlock.settings import DATABASES  # noqa: E402

TIMINGS = False  # a thread that writes rows at any time is for the tests of it

if "EMBEDDED" in DATABASES["default"]:
    # Nobody misses what a crash would lose here.
    DATABASES["default"]["EMBEDDED"]["PARAMETERS"] = {"fsync": "off", "full_page_writes": "off"}
DATABASES["default"]["CONN_MAX_AGE"] = 0

# Each browser of a test has middleware of its own: it looks for a static file when one is requested.
WHITENOISE_AUTOREFRESH = True

PAGE_SECONDS = 300  # no page is refused because the machine is busy; what tests the limit sets its own

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; the passwords are "password"
