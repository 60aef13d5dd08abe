"""Ask for known vulnerabilities in the pinned requirements: ``audit.py FILE… [option of pip-audit …]``.

A vulnerability fails. Where the service can't be reached, or does not know a package, nothing was found and
nothing was looked at: that is said ("could not run"), and does not fail. pip-audit itself calls it clean.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

SECONDS = int(os.environ.get("DRIFTLOCK_AUDIT_SECONDS", "120"))


class CouldNotRun(Exception):
    """Nothing can be said about a file; why."""


def main() -> int:
    """Look at each file; 1 where one of them names something vulnerable."""
    files = [argument for argument in sys.argv[1:] if argument.endswith(".txt")]
    options = [argument for argument in sys.argv[1:] if argument not in files]
    found = 0
    for file in files:
        try:
            found += tell(file, report(file, options))
        except CouldNotRun as why:
            print(f"could not run: pip-audit of {file}: {why}")
    return 1 if found else 0


def report(file: str, options: list[str]) -> list[dict[str, Any]]:
    """Return pip-audit's result for each package."""
    arguments = "--no-deps --disable-pip --progress-spinner off --timeout 15 --format json".split()
    command = [sys.executable, "-m", "pip_audit", "-r", file, *arguments, *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise CouldNotRun(f"no answer within {SECONDS} s") from error
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError as error:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise CouldNotRun(last[0][:300]) from error
    return packages


def tell(file: str, packages: list[dict[str, Any]]) -> int:
    """Print what was found; the number of vulnerabilities."""
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        raise CouldNotRun(f"the service knows none of its {len(packages)} packages")
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", [])]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{file}: {package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    if unknown:
        print(f"could not run: pip-audit of {', '.join(unknown)} in {file}: the service does not know them")
    looked_at = len(packages) - len(unknown)
    print(f"{file}: {looked_at} packages looked at, {len(found)} known vulnerabilities")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
