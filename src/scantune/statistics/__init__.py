"""Statistics in NumPy and SciPy: no torch, no pandas, quick to import."""
