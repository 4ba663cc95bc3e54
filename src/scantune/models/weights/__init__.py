"""Published and custom weights: located on disk, read without executing code, matched by name and shape.

Example:
    >>> report = load_into(network.backbone.net, "resnet_10_23dataset.pth")
    >>> print(report)
"""

from scantune.models.weights.known import KNOWN, licence
from scantune.models.weights.load import load_into

__all__ = ["KNOWN", "licence", "load_into"]
