"""Write down the triggers and functions that the migrations make: anomalies/audit/guards.json.

To be run after a migration that adds or changes one; a test compares the file with a fresh database.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from anomalies.audit import guards  # noqa: E402

call_command("migrate", verbosity=0)
guards.EXPECTED.write_text(json.dumps(guards.guards(), indent=2, sort_keys=True) + "\n")
print(f"{guards.EXPECTED.name}: {len(guards.expected())} guards")
