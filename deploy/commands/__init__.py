"""The commands of `entraide` that come in groups, and the way from all of them to the platform."""
