"""Diversity of images under guidance, compared at matched fidelity, and the paper's two conjectures about it."""
