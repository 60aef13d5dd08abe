"""Measurements as lines of text: InfluxDB, Graphite, Prometheus, OpenTSDB, Wavefront, collectd, StatsD."""
