"""What serves every URL, for all surfaces: middleware, lockout, error pages, actor, login audit."""
