"""Read-only queries about anomalies: filters, pages, facets, incidents, statistics, exports."""
