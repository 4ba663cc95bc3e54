"""White blood cells in stained smears, in class folders. Synthetic, and says so."""
