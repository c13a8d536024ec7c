"""Guided images: how diverse they are, of a drawn world or generated elsewhere, and the two conjectures about it."""
