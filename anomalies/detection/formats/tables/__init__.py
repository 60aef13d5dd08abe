"""Tables as CSV: measurements, sessions, and logs with a column for each thing that a record says."""
