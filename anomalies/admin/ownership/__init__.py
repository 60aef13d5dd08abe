"""The pages of ownership: the rules in order with the teams, the form of a rule, and the form of a team."""
