"""Running Django's migrations: one run at a time, each migration atomic, with short locks."""
