"""The page of one anomaly: thresholds, evidence, signed bundle."""
