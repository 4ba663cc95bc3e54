"""MLflow runs, with metrics in batches, queued while the server is unreachable."""

from scantune.tracking.names import metric_name
from scantune.tracking.opening import CHANGED, RunReference, known_training, open_run
from scantune.tracking.run import Run
from scantune.tracking.sending import MODEL_ID
from scantune.tracking.store import (
    TrackingError,
    client,
    found,
    in_copy,
    own_folder,
    project_home,
    switched_off,
    take_parent_run,
    tracking_uri,
)

__all__ = [
    "CHANGED",
    "MODEL_ID",
    "Run",
    "RunReference",
    "TrackingError",
    "client",
    "found",
    "in_copy",
    "known_training",
    "metric_name",
    "open_run",
    "own_folder",
    "project_home",
    "switched_off",
    "take_parent_run",
    "tracking_uri",
]
