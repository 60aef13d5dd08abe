"""The former engines, frozen, so that the bench prints them beside today's from the same run."""
