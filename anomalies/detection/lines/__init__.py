"""The views of a stream of lines (logs, LLM traffic): one model and one past each, and the templates they
share."""
