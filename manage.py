#!/usr/bin/env python
"""Driftlock's command line in a checkout: ``python manage.py help`` lists the commands."""

from driftlock.command_line import main

if __name__ == "__main__":
    main()
