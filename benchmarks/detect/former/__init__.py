"""The engine for logs before the views, frozen: what it raises alarms for, beside the new one in one run.

Copied as it was: bits per byte of new words, ranked among the last 500 windows, gated by the novelty of the
newest line. Nothing outside benchmarks/detect uses it.
"""
