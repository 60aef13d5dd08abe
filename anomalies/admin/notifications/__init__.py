"""The pages of notifications: the list of rules, the form that makes one, and the log of deliveries."""
