"""How trustworthy the detector's alarms are, on whatever data: `python -m benchmarks.detect FOLDER`."""
