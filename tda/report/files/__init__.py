"""The report for other programs: LaTeX, JSON, a terminal, and one table of every pair."""
