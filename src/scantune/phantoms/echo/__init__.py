"""Apical four-chamber cine loops of graded image quality. Synthetic, and says so."""
