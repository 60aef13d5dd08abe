"""Charts and formatting that several pages share."""
