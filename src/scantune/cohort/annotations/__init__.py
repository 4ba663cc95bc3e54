"""Annotations that are no masks yet (run lengths in a table, contours in XML, JSON or a table) → mask files."""
