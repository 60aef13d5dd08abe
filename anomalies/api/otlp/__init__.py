"""OpenTelemetry's OTLP over HTTP: the addresses /v1/logs, /v1/metrics and /v1/traces.

They are no part of the OpenAPI document: OTLP specifies them, bodies, answers and errors.
"""
