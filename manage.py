#!/usr/bin/env python
"""Driftlock's command line in a checkout: ``python manage.py help`` lists the commands."""

import sys

from driftlock.command_line import main

if __name__ == "__main__":
    # Not main() alone: where an interrupt came inside exec(), as in a dataclass, CPython would end as by
    # SIGINT, though the command has ended well.
    sys.exit(main())
