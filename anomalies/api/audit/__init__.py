"""The audit log by the API: its entries, and the signed bundle of an anomaly."""
