"""Every headline number over the steps of a training run."""
