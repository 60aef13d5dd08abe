"""The list of anomalies: filter panel, rows, pages, saved filters, export."""
