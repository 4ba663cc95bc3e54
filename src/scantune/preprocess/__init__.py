"""Records → tensors: one module per modality, the store of tensors, and the run that writes the manifest."""

from scantune.cohort.manifest import read_manifest
from scantune.preprocess.prepare import prepare
from scantune.preprocess.run import run

__all__ = ["prepare", "read_manifest", "run"]
