"""The pages of rules for what comes: the list, and the form that makes one with its what-if."""
