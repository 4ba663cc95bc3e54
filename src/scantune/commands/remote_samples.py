"""Series and instances of a DICOMweb server as samples of ``scantune predict``, fetched while it runs."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from scantune.cohort.unlabelled import Sample
from scantune.dicomweb.address import Address
from scantune.dicomweb.connection import Connection
from scantune.dicomweb.retrieve import Series, file_name, instances_of, retrieve, series_of
from scantune.pipeline.data.training_cohort import is_foreign
from scantune.records import ReadError, ScantuneError, Source
from scantune.tracking.store import without_password

#: Modalities (PS3.3, C.7.3.1.1.1) of series that hold no images.
NO_IMAGES = frozenset(
    """ANN ASMT AU DOC ECG EEG EMG EOG EPS FID HD KO PLAN POS PR REG RESP RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN
    RTSTRUCT RWV SEG SMR SR STAIN TEXTUREMAP""".split()  # noqa: SIM905
)


class RemoteSamples:
    """What addresses name. Files are below a private folder from when a sample is asked for until it is released.

    Args:
        whole: a series is one sample; else each of its instances is.
        words: part of the Series Description of the series that the model reads, or None for any.
        modalities: DICOM modalities that the model was trained on; empty where none is known.
    """

    def __init__(self, whole: bool, words: str | None = None, modalities: frozenset[str] = frozenset()) -> None:
        self.whole, self.words, self.modalities = whole, words, modalities
        self.reasons: dict[Path, str] = {}
        self._places: dict[Path, tuple[Address, int]] = {}
        self._released: set[Path] = set()

    @cached_property
    def connection(self) -> Connection:
        """With the credentials of the environment."""
        return Connection()

    @cached_property
    def _home(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="scantune-", ignore_cleanup_errors=True)

    def close(self) -> None:
        """Remove the private folder."""
        if "_home" in vars(self):
            self._home.cleanup()

    def below(self, address: Address) -> tuple[list[Sample], Counter[str]]:
        """The samples of a study, a series or an instance, and the count of series that hold none, by reason.

        Where nothing of it can be predicted from, that is one sample, with the reason.
        """
        if address.instance:
            return [self._sample(address, (address.instance,))], Counter()
        try:
            series = series_of(self.connection, address)
            aside = Counter(self._no_use(one) for one in series) if not address.series else Counter[str]()
            del aside[""]
            used = [one for one in series if address.series or not self._no_use(one)]
            if not used:
                listed = ", ".join(f"{count} {reason}" for reason, count in sorted(aside.items()))
                raise ReadError(f"the study has no series to predict from ({listed})")
        except ReadError as error:
            return [_unusable(address, error)], Counter()
        return [sample for one in used for sample in self._samples(one)], aside

    def of_row(self, sample: Sample) -> Sample:
        """The sample of a table's row that has an address, with what is fetched for it, or the reason of the row."""
        sample = replace(sample, address=without_password(sample.address))
        if sample.reason:
            return sample
        try:
            found, _ = self.below(Address.of(sample.address))
        except ScantuneError as error:
            return replace(sample, reason=str(error))
        if len(found) > 1:
            return replace(sample, reason=f"{len(found)} samples are at this address, and a row is one")
        source = replace(found[0].source, series=sample.source.series, volume=sample.source.volume)
        return replace(
            sample, source=source, instances=found[0].instances, address=found[0].address, reason=found[0].reason
        )

    def sources(self, samples: Iterable[Sample]) -> Iterator[Source]:
        """What each sample is read from, fetched when it is asked for. One that cannot be fetched is a path at which
        nothing is; :attr:`reasons` has why."""
        for sample in samples:
            if sample.address and self._released.isdisjoint(sample.source.files):
                self._fetch(sample)
            yield sample.source

    def reason(self, sample: Sample) -> str:
        """Why a sample could not be fetched, or ""."""
        return next((self.reasons[path] for path in sample.source.files if path in self.reasons), "")

    def release(self, sample: Sample) -> None:
        """Remove the files of a sample that was fetched; of one that is answered before (its covariates cannot be used)
        none are fetched."""
        self._released.update(sample.source.files)
        for path in sample.source.files if sample.address else ():
            shutil.rmtree(path.parent, ignore_errors=True)

    def _no_use(self, series: Series) -> str:
        if series.modality in NO_IMAGES:
            return f"{series.modality} series"
        if is_foreign(series.modality, self.modalities):
            return f"{series.modality} series (the model was trained on {', '.join(sorted(self.modalities))})"
        named = series.description is None or self.words is None or _folded(self.words) in _folded(series.description)
        return "" if named else f"series not described as {self.words!r}, which the model reads"

    def _samples(self, series: Series) -> list[Sample]:
        try:
            series = instances_of(self.connection, series)
        except ReadError as error:
            return [_unusable(series.address, error)]
        if self.whole:
            return [self._sample(series.address, series.instances, series.stated)]
        samples = [self._sample(replace(series.address, instance=uid), (uid,)) for uid in series.instances]
        if len(samples) < series.stated:
            few = ReadError(f"the server lists {len(samples)} of the {series.stated} instances that it states")
            samples.append(_unusable(series.address, few))
        return samples

    def _sample(self, address: Address, instances: tuple[str, ...], stated: int = 0) -> Sample:
        folder = Path(self._home.name) / f"{len(self._places)}" / address.series.replace(".", "_")
        path = folder / file_name(address.instance) if address.instance else folder
        self._places[path] = address, stated
        return Sample(0, Source((path,), leaves_out=True), address=str(address), instances=instances)

    def _fetch(self, sample: Sample) -> None:
        (path,) = sample.source.files
        address, stated = self._places[path]
        folder = path.parent if address.instance else path
        try:
            retrieve(self.connection, address, sample.instances, folder, stated)
        except ReadError as error:
            self.reasons[path] = error.reason
            shutil.rmtree(folder, ignore_errors=True)


def _unusable(address: Address, error: ReadError) -> Sample:
    return Sample(0, Source(()), reason=error.reason, address=str(address))


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
