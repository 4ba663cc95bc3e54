"""``params.yaml`` as frozen, typed, documented settings."""
