"""What an analysis leaves in its root: metrics.json and its tables, part by part, also of runs at once and of cells of a sweep."""
