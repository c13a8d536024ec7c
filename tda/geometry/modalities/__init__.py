"""One modality beside the other: the gap as other papers report it, two-sample tests, hubs, and shared shape."""
