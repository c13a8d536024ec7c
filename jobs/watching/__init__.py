"""The machinery of `jobs.watch`: checkpoints found, pinned, run once each, and kept in a ledger."""
