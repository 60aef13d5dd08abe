"""The streams that detection is measured on: read from a folder, or generated from a seed."""
