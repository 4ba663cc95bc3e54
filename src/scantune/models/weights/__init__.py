"""Published and own weights: found on disk, read without running code, matched by name and shape.

Example:
    >>> report = load_into(network.backbone.net, "resnet_10_23dataset.pth")
    >>> print(report)
"""

from scantune.models.load_report import LoadReport
from scantune.models.weights.files import read
from scantune.models.weights.known import KNOWN, Known, licence
from scantune.models.weights.load import into_backbone, load_into

__all__ = ["KNOWN", "Known", "LoadReport", "into_backbone", "licence", "load_into", "read"]
