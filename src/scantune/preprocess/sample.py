"""One sample from its files to the store: what a worker does. It never raises for a bad scan."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.digests import text_digest
from scantune.mask_codes import marked, pixels_by_label
from scantune.packaged import PackageError
from scantune.preprocess import brain, display, display_copy, own_grid, sources, store
from scantune.preprocess.fingerprint import perceptual_hash
from scantune.preprocess.masks import MaskError, read_masks
from scantune.preprocess.prepare import prepare
from scantune.preprocess.reading import reading_once
from scantune.preprocess.sample_files import by_file
from scantune.preprocess.settings import what_matters
from scantune.preprocess.version import code_version, library_versions
from scantune.records import ReadError, Record

if TYPE_CHECKING:
    from scantune.config.input import InputConfig


@dataclass(frozen=True)
class Job:
    """What a worker gets: plain, small and picklable."""

    sample_id: str
    files: tuple[Path, ...]
    masks: tuple[Path, ...]
    series: tuple[str, str] | None = None
    volume: tuple[str, str] | None = None
    region: Path | None = None
    rater_masks: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record) -> Job:
        """The job of a record."""
        names = ("sample_id", "files", "masks", "series", "volume", "region", "rater_masks")
        return cls(**{name: getattr(record, name) for name in names})

    @property
    def mask_paths(self) -> tuple[Path, ...]:
        """Reference masks, the region's and the readers'."""
        readers = (path for paths in self.rater_masks.values() for path in paths)
        return (*self.masks, *([self.region] if self.region else []), *readers)


@dataclass(frozen=True)
class Outcome:
    """The result of a worker.

    Attributes:
        sample_id: of the job.
        key: of the stored sample, or None if it is excluded.
        digest: of the source bytes.
        facts: of the stored sample.
        reason: for its exclusion, free of paths and header text.
        detail: more of it, for the local terminal only.
        is_new: whether the sample was prepared in this run, not found in the store.
        repaired: it was damaged and prepared again.
        changed: files that differ from the index.
        learned: digests of files that had to be read.
        fatal: why the whole run must stop (no room, a package that is not installed).
        of_mask: it is excluded because of its mask.
        display: key of its display copy in the store, and a digest of its content; "" if the sample is excluded.
    """

    sample_id: str
    key: str | None = None
    digest: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    is_new: bool = False
    repaired: bool = False
    changed: tuple[str, ...] = ()
    learned: sources.Known = field(default_factory=dict)
    fatal: str = ""
    of_mask: bool = False
    display: tuple[str, str] = ("", "")


def sample_key(
    digests: list[str],
    mask_digests: list[str],
    settings: InputConfig | Mapping[str, Any],
    series: tuple[str, str] | None = None,
    volume: tuple[str, str] | None = None,
) -> str:
    """SHA-256 of all that a sample's tensor depends on: source bytes, settings, our code, the decoders' versions."""
    modality, options = what_matters(settings)
    modules, packages = _beside(options)
    parts = {
        "files": digests,
        "masks": mask_digests,
        "modality": modality,
        "series": series,
        "volume": volume,
        "settings": {name: value for name, value in options.items() if name != "max_voxels"},
        "code": code_version(*modules),
        "libraries": library_versions(*packages),
    }
    return text_digest(json.dumps(parts, sort_keys=True))


def _beside(options: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """Modules and packages that only some settings use."""
    if not options.get("brain"):
        return (), ()
    return [f"brain/{name}" for name in ("extraction", "bias_field", "registration", "space")], brain.PACKAGES


def process(
    job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, tuple[int, int, str]] | None = None
) -> Outcome:
    """Prepare one sample, or find it in the store.

    Args:
        job: the sample.
        settings: the input's block as a dict.
        store_dir: the store.
        index: path to size, time (ns) and digest, as ``scantune index`` wrote them for these files.
    """
    try:
        return _process(job, settings, store_dir, index or {})
    except (store.StoreFull, PackageError) as error:  # no fault of the sample: every other one would have it too
        return Outcome(job.sample_id, fatal=str(error))
    except Exception as error:  # one bad scan never ends the run; the error is printed on the terminal
        reason, detail = refusal(error, _named(job))
        return Outcome(job.sample_id, reason=reason, detail=detail, of_mask=isinstance(error, MaskError))


def refusal(error: Exception, named: str) -> tuple[str, str]:
    """Why a sample is excluded: a text for outputs, and details for the local terminal.

    Args:
        error: what preparing it raised.
        named: its files.
    """
    if isinstance(error, ReadError):
        return error.reason, error.detail or named
    if isinstance(error, PackageError):
        return str(error), named
    if isinstance(error, MemoryError):
        return "not enough memory to prepare it", named
    kind = type(error).__name__
    return f"cannot be prepared ({kind})", f"{named}: {kind}: {error}"


def _process(
    job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, tuple[int, int, str]]
) -> Outcome:
    paths = [*job.files, *job.mask_paths]
    known = sources.remembered(store_dir / "digests.sqlite", paths)
    known, changed = _with_index(known, index)
    for _attempt in range(3):
        learned: sources.Known = {}
        digest = partial(_digest, known=known, learned=learned)
        digests = by_file(job.files, job.files, digest) + read_masks(job.mask_paths, digest)
        outcome = _from_digests(job, settings, store_dir, digests)
        known |= learned
        if not outcome.is_new or sources.unchanged(paths, known):
            return replace(outcome, learned=learned, changed=tuple(changed))
        # The files changed while they were read: the stored sample belongs to bytes that no longer exist.
        store.sample_path(store_dir, str(outcome.key)).unlink(missing_ok=True)
        store.display_path(store_dir, outcome.display[0]).unlink(missing_ok=True)
        time.sleep(0.2)
    raise ReadError("its files changed while being read", _named(job))


def _digest(path: Path, known: sources.Known, learned: sources.Known) -> str:
    """Of a file or folder; ``learned`` gets what had to be read."""
    digest, read = sources.digest_of(path, known)
    learned |= read
    return digest


def _with_index(known: sources.Known, index: Mapping[str, tuple[int, int, str]]) -> tuple[sources.Known, list[str]]:
    """Digests of the index for unchanged files, and the files that have changed."""
    changed = []
    for name, (size, modified, digest) in index.items():
        try:
            state = sources.State.of(Path(name))
        except OSError:
            continue
        if (state.size, state.modified) == (size, modified):
            known.setdefault(name, (state, digest))
        else:
            changed.append(name)
    return known, changed


def _from_digests(job: Job, settings: Mapping[str, Any], store_dir: Path, digests: list[str]) -> Outcome:
    files, masks = digests[: len(job.files)], digests[len(job.files) :]
    # Two series of one folder, or volumes of one series, are not the same image: their names are part of the source.
    named = [*files, *(job.series or ()), *(job.volume or ())]
    digest = named[0] if len(named) == 1 else text_digest("\n".join(named))
    key = sample_key(files, [*masks, *_roles(job)], settings, job.series, job.volume)
    with reading_once():
        outcome = _sample(job, settings, store_dir, key, digest)
        return replace(outcome, display=_display(job, settings, store_dir, files, outcome.facts))


def _roles(job: Job) -> list[str]:
    """The masks beside the reference: that of the region, and how many each reader has."""
    readers = [f"reader {name}: {len(paths)}" for name, paths in job.rater_masks.items()]
    return [*(["region"] if job.region else []), *readers]


def _sample(job: Job, settings: Mapping[str, Any], store_dir: Path, key: str, digest: str) -> Outcome:
    path = store.sample_path(store_dir, key)
    repaired = False
    if path.exists():
        try:
            return Outcome(job.sample_id, key, digest, _stored(path, key, settings))
        except store.Damaged:
            repaired = True
    prepared = prepare(
        job.files, job.masks, settings, job.series, job.volume, region=job.region, rater_masks=job.rater_masks
    )
    masks = {"mask": prepared.mask, "measured_mask": prepared.measured_mask}
    arrays = {"input": prepared.tensor, **{name: mask for name, mask in masks.items() if mask is not None}}
    facts = {**_measured(arrays, prepared.spacing), "reading": plain(prepared.facts)}
    if prepared.own_mask is not None:
        beyond = own_grid.cut_away(prepared.own_mask, prepared.facts, prepared.tensor.shape[1:])
        cut = pixels_by_label(beyond, bool(settings.get("mask_overlap")))
        facts["reading"] |= {"mask_cut": plain(cut)} if cut else {}
        arrays[own_grid.MASK] = own_grid.pack(prepared.own_mask)
        facts[own_grid.SHAPE] = list(prepared.own_mask.shape)
        facts[own_grid.READERS] = {name: name in prepared.rater_masks for name in job.rater_masks}
        arrays |= {own_grid.of_reader(name): own_grid.pack(mask) for name, mask in prepared.rater_masks.items()}
    stored = store.save(path, arrays, facts)
    return Outcome(job.sample_id, key, digest, {**facts, **stored}, is_new=True, repaired=repaired)


def _stored(path: Path, key: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the stored sample."""
    return store.verify(path) if _chosen(key, float(settings.get("verify_fraction", 1.0))) else store.facts(path)


def _display(
    job: Job, settings: Mapping[str, Any], store_dir: Path, files: list[str], facts: Mapping[str, Any]
) -> tuple[str, str]:
    """Key and digest of the display copy, written if it is not in the store.

    What cannot be shown is shown as the network sees it: it costs no sample.
    """
    key = display.display_key(sample_key(files, [], display.as_it_is(settings), job.series, job.volume))
    path = store.display_path(store_dir, key)
    if path.exists():
        with suppress(store.Damaged):
            return key, str(_stored(path, key, settings)["content"])
    try:
        copy = display.make(job.files, settings, facts["reading"], job.series, job.volume)
    except Exception:  # its tensor is right, whatever broke here
        copy = None
    return key, display_copy.write(path, copy)


def _measured(arrays: Mapping[str, np.ndarray], spacing: tuple[float, ...] | None) -> dict[str, Any]:
    """The manifest's entries of a tensor."""
    tensor = arrays["input"]
    mean, sd, low, high = moments(tensor)
    facts: dict[str, Any] = {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype),
        "spacing": [round(float(s), 6) for s in spacing] if spacing else None,
        "mean": mean,
        "sd": sd,
        "min": low,
        "max": high,
        "perceptual_hash": perceptual_hash(tensor),
    }
    if "mask" in arrays:
        facts["mask_fraction"] = float(marked(arrays["mask"]).mean())
    return facts


def moments(tensor: np.ndarray, chunk: int = 1 << 16) -> tuple[float, float, float, float]:
    """Mean, standard deviation, smallest and largest value; piece by piece, so that each stays in the CPU's cache."""
    flat = tensor.reshape(-1)
    shift = np.float32(store.as_float(flat[:chunk]).mean())
    total = squares = 0.0
    low, high = np.inf, -np.inf
    for start in range(0, flat.size, chunk):
        piece = store.as_float(flat[start : start + chunk])
        piece -= shift
        total += float(piece.sum())
        squares += float(np.dot(piece, piece))
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    mean = total / flat.size
    sd = float(np.sqrt(max(0.0, squares / flat.size - mean**2)))
    return mean + float(shift), sd, low + float(shift), high + float(shift)


def plain(value: Any) -> Any:
    """JSON-serialisable facts: tuples as lists, NumPy numbers as numbers, non-finite numbers as null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _chosen(key: str, fraction: float) -> bool:
    """Whether this sample's digest is checked now: another draw every day, so that in time all are."""
    day = int(time.time() // 86400)
    draw = int.from_bytes(hashlib.sha256(f"{key}{day}".encode()).digest()[:8], "big") / 2**64
    return draw < fraction


def _named(job: Job) -> str:
    return ", ".join(map(str, job.files))
