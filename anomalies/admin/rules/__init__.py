"""The pages of triage rules: the list, and the form that makes one with its what-if."""
