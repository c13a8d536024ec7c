"""What is in a root, from listings and small documents alone: see `jobs.status`."""
