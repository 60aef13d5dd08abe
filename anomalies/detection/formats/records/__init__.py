"""Records of JSON: what a value holds, its time, its message and its other fields, by kind."""
