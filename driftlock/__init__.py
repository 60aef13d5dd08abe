"""The project: wiring only (settings, URLs, WSGI). The product lives in ``anomalies``."""
