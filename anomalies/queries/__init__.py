"""Questions about anomalies, which only read: filters, pages, facets, incidents, statistics, exports."""
