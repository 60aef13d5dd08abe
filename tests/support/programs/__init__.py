"""Other programs beside Driftlock: nginx, PgBouncer, and databases as golang-migrate made them."""
