"""JPEG cine → 32 frames of 112², cached: against pydicom's pixel_array and cv2.resize. One thread each."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from benchmarks.timing import in_turn, one_thread, report

FRAMES, SIZE = 60, (480, 640)


def main() -> dict[str, float]:
    one_thread()
    warnings.simplefilter("ignore")
    import cv2
    import numpy as np
    import pydicom

    from scantune import io
    from scantune.config.input import VideoInput
    from scantune.preprocess import store
    from scantune.preprocess.sample import Job, process

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
        grey = np.stack([120 + 90 * np.sin(np.hypot(x - 320, y - 40) / 14 + t / 3) for t in range(FRAMES)])
        frames = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)
        path = io.write_cine(scratch / "loop.dcm", frames, patient_id="p", seed="1", encoding="jpeg")
        block = VideoInput(dataset="d", modality="video", frames=32, shape=[112, 112], resize="stretch")
        plain = block.model_dump(mode="json")

        def ours() -> np.ndarray:
            new = Path(tempfile.mkdtemp(dir=scratch))
            outcome = process(Job("a", (path,), ()), plain, new)
            return store.load(store.sample_path(new, str(outcome.key)))["input"][0]

        def usual() -> np.ndarray:
            pixels = pydicom.dcmread(path).pixel_array[:32]
            small = [cv2.resize(frame, (112, 112), interpolation=cv2.INTER_AREA) for frame in pixels]
            result = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small])
            np.save(scratch / "usual.npy", result)
            return result

        difference = float(np.abs(ours().astype(int) - usual()).mean())
        assert difference < 3.0, f"the loops differ by {difference} grey levels"
        title = f"JPEG cine 60 × 480×640 RGB → 32 × 112², grey, cached (mean difference {difference:.2f} grey levels)"
        medians = in_turn({"scantune": ours, "pydicom pixel_array + cv2.resize": usual})
        return report(title, medians, "scantune", {"pydicom pixel_array + cv2.resize": 10.0})


if __name__ == "__main__":
    main()
