"""Rules for what comes, by the functions of the desk's pages: read, made, renewed, stopped and undone."""
