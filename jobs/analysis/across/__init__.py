"""What is measured across encoders or settings: comparisons on the same pairs, and layouts and clusters of a grid."""
