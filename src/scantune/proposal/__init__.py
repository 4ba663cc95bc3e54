"""Blocks of params.yaml proposed for a table or folder as it comes: what ``scantune init`` writes."""
