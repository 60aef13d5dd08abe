"""The language, the time zone and the formats in which a person reads the desk."""
