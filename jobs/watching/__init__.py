"""The machinery of `jobs.watch`: checkpoints found, copied, run once each, and kept in a ledger."""
