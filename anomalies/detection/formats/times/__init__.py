"""Text and numbers to moments: layouts of timestamps, which of them a log uses, zones and missing years."""
