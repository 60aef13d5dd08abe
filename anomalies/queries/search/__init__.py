"""The search box: its grammar, the fields that its values go to, and the parameters that they become."""
