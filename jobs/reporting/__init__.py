"""How a finished report is looked at: in a browser of this machine."""
