"""The quality of the detector's alarms on the data of a folder: `python -m benchmarks.detect FOLDER`."""
