"""Published and custom weights: located on disk, read without executing code, matched by name and shape.

Example:
    >>> report = load_into(network.backbone.net, "resnet_10_23dataset.pth")
    >>> print(report)
"""

from scantune.models.load_report import LoadReport
from scantune.models.weights.files import read
from scantune.models.weights.known import KNOWN, PublishedWeights, licence
from scantune.models.weights.load import into_backbone, load_into

__all__ = ["KNOWN", "LoadReport", "PublishedWeights", "into_backbone", "licence", "load_into", "read"]
