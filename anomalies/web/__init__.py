"""The parts that serve every URL of all surfaces: middleware, lockout, error pages, actor, login audit."""
