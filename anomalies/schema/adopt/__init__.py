"""Taking over a database that golang-migrate made, in place.

The rule of this folder: no row is touched, no table rewritten, and every step is written down with the step
that undoes it before the next one begins. ``golang`` knows the other tool, ``sorting`` says what differs and
what is to be done about it, ``rows`` looks at what is in the tables, ``journal`` remembers, ``run`` does.
"""

from .golang_migrate import AdoptError
from .run import PATIENCE, Adoption, adopt, plan, undo, without_known

__all__ = ["PATIENCE", "AdoptError", "Adoption", "adopt", "plan", "undo", "without_known"]
