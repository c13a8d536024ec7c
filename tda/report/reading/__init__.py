"""What the page shows at each of its three reading depths: its head, its questions, and everything."""
