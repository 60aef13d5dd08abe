"""The folders of files: inside a checkout, or in the user's data folder for an installed wheel.

A checkout is recognised by its ``manage.py``, which the wheel does not contain.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
BASE_DIR = PACKAGE.parent


def is_checkout() -> bool:
    """True in a clone of the repository, False in an installed wheel."""
    return (BASE_DIR / "manage.py").is_file()


def data() -> Path:
    """The folder for what Driftlock writes: the embedded server's cluster and the development secret key.

    ``.data`` in a checkout; for an installed wheel ``driftlock`` in the folder for user data (XDG Base
    Directory Specification).
    """
    if is_checkout():
        return BASE_DIR / ".data"
    named = os.environ.get("XDG_DATA_HOME", "")
    home = named if Path(named).is_absolute() else os.path.expanduser("~/.local/share")  # noqa: PTH111 - Path raises without a home
    # A container's user may have no home.
    return Path(home if home.startswith("/") else "/var/lib") / "driftlock"


def static_root(data_dir: Path) -> Path:
    """The folder that ``collectstatic`` fills."""
    return BASE_DIR / "staticfiles" if is_checkout() else data_dir / "static"


def samples() -> Path:
    """The folder of recorded logs that a first ``up`` runs the detector over."""
    return (BASE_DIR if is_checkout() else PACKAGE) / "samples"
