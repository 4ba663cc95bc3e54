"""Coronary angiograms: vessel trees in X-ray projection, with masks."""
