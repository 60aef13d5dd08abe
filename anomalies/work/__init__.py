"""Background work: the jobs of ``manage.py work``, the loop that runs them, and its workers' reports."""
