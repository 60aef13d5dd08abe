"""Adopting, in place, a database that golang-migrate made.

No row is changed, no table rewritten, and every step is recorded together with the step that undoes it before
the next one begins. ``golang_migrate`` deals with the other tool, ``drift_triage`` classifies the
differences, ``rows`` checks the tables' rows, ``journal`` records the steps, ``run`` executes them.
"""

from .golang_migrate import AdoptError
from .run import PATIENCE, Adoption, adopt, plan, undo, without_known

__all__ = ["PATIENCE", "AdoptError", "Adoption", "adopt", "plan", "undo", "without_known"]
