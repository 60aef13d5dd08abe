"""Running Django's migrations: one run at a time, each whole or not at all, with short locks."""
