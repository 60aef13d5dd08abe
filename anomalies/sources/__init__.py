"""Files, pipes and growing files, read as lines and scanned for findings, in one process or many."""
