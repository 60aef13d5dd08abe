"""Personal data: masked before a row is stored, and erased from rows that are stored."""
