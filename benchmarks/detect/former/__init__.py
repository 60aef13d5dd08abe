"""The engines before the views, frozen, so that the bench prints them beside today's from one run.

Copied as they were. Logs: bits per byte of new words, ranked among the last 500 windows, gated by the novelty
of the newest line (`alarms`). Metrics: ranks of levels and changes (`metrics`). Nothing outside
benchmarks/detect uses them.
"""
