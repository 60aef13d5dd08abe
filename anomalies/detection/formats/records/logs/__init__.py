"""Log records: their messages, and the fields beside them."""
