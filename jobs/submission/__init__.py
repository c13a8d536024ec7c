"""Commands on a running Ray cluster: how they are composed, submitted under an id that follows from their content, and followed."""
