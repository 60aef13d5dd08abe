"""The models that score events: text, metric values, sessions."""
