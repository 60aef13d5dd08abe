"""The durations of requests, jobs and ingests: collected, stored in performance_metrics, and summed up."""
