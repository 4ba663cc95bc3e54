"""Records → tensors: one module per modality, the store of tensors, and the run that writes the manifest."""

from scantune.cohort.manifest import Sample, read_manifest
from scantune.preprocess.prepare import prepare
from scantune.preprocess.prepared import Prepared
from scantune.preprocess.run import Summary, run
from scantune.preprocess.store import damaged

__all__ = ["Prepared", "Sample", "Summary", "damaged", "prepare", "read_manifest", "run"]
