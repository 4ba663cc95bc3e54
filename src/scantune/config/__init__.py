"""``params.yaml`` as frozen, typed, documented settings."""

from scantune.config.base import Block as Block
