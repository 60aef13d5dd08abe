"""The languages of the desk: preferences, and the messages of the catalogue."""
