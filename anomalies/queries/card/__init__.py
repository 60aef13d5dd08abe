"""The facts on an anomaly's card: its headline, its odd line beside the nearest usual one, its series."""
