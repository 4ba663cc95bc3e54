"""``datasets.<name>`` in ``params.yaml``: where a cohort lies, what its columns mean, how it is split."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from scantune.config.base import Block, LocalPath, Seed, by_name
from scantune.config.synonyms import also

Side = Literal["train", "validation", "test"]
Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
#: A cell as YAML may give it: 0, 0.5, yes, "A". It is compared with the table's text.
Cell = str | int | float | bool


class Range(Block):
    """Numbers from ``min`` to ``max``, both ends included."""

    min: float | None = None
    """Smallest value included; without it there is no lower limit."""
    max: float | None = None
    """Largest value included; without it there is no upper limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("a range needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


class Unless(Block):
    """Every value but these."""

    exclude: list[Cell] = Field(min_length=1)
    """Values whose rows are excluded; "" is an empty cell."""


class TargetColumn(Block):
    """A target column and what may stand in it. ``{score: a}`` is short for ``{score: {column: a}}``."""

    column: Text
    """Its name in the table."""
    min: float | None = None
    """Smallest valid number; a smaller one is an error with row and column. Implies numbers."""
    max: float | None = None
    """Largest valid number. Implies numbers."""
    number: bool = False
    """The column holds numbers: anything else is an error."""
    values: list[Cell] | None = None
    """The valid values (numbers compare as numbers: 3 is 3.0)."""
    recode: dict[str, Cell] = {}
    """Cells replaced by another value before anything else, keys in quotes: ``{"-1": 1, "": 0}`` takes uncertain for
    positive and blank for negative. Numbers compare as numbers; "" is an empty cell, and so are NA, None, null and NaN
    unless ``values`` or the task's classes name them."""
    missing: Literal["keep", "exclude", "error"] = "keep"
    """Empty cells: ``keep`` them (the task says what they mean), ``exclude`` the row, or call them an ``error``."""


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return value


class PartOf(Block):
    """The part of a column that is the subject's id, where no column holds it alone."""

    column: Text
    """Column of the table, often the path of the file."""
    match: Annotated[str, Field(min_length=1, max_length=200)]
    """Regular expression searched in it: ``patient[0-9]+``. Its first group, if it has one, is the id, else all it
    matches. A row in which nothing matches is an error."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return _pattern(value)


class SeriesName(Block):
    """How a row names its DICOM series. ``series: "{series_uid}"`` is short for ``series: {name: "{series_uid}"}``."""

    name: Text
    """Columns in braces: ``"{series_uid}"``. Where they are empty, the folder must hold one series, or the input's
    own ``series`` say which."""
    by: Literal["uid", "number", "description"] = "uid"
    """What the name is: the series instance UID (or the digest of it by which messages tell series apart), the series
    number, or the whole series description (the case does not matter)."""


VolumeKey = Literal[
    "index", "b_value", "echo_time", "echo", "inversion_time", "flip_angle", "time", "trigger_time", "acquisition",
    "component", "label", "stack", "kernel", "tube_voltage",
]  # fmt: skip
#: Of them those whose values are texts.
TEXT_KEYS = frozenset({"component", "label", "stack", "kernel"})


class VolumeName(Block):
    """How a row names its volume. ``volume: "{volume}"`` is short for ``volume: {name: "{volume}", by: index}``."""

    name: Text
    """Columns in braces: ``"{b_value}"``. Where they are empty, the file or series must hold one volume, or the input's
    own ``volume`` says which."""
    by: VolumeKey = "index"
    """What the name is: the place in the order of acquisition from 0, or a property of the volume."""


class Pseudonyms(Block):
    """Keyed digests in place of the table's sample and subject ids."""

    key_variable: Text = "SCANTUNE_KEY"
    """Environment variable that holds the secret key. The key itself never stands in a file of the project."""


class SplitConfig(Block):
    """Which subjects train, validate and test. Always by subject, from the whole table before any exclusion."""

    method: Literal["random", "stratified", "sequential", "predefined", "group_out", "temporal"] = "random"
    """``random``: by a seeded digest of the subject id. ``stratified``: sides alike in ``on``. ``sequential``: in the
    table's order (or by ``order``). ``predefined``: as ``columns`` or the class folders say. ``group_out``: whole
    groups (site, scanner) held out. ``temporal``: by each subject's latest ``order``, the newest subjects tested.
    Where it is not written and ``columns`` or class folders name partitions: ``predefined``."""
    on: Annotated[list[Text], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = []
    """Targets or groups balanced between partitions (``stratified``). A class that a partition lacks is told with
    counts; a partition with one class of a target alone is refused."""
    balance: Annotated[list[Text], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = []
    """``stratified``: groups whose combinations with each name in ``on`` are balanced between partitions too, such as
    ``[view]``: every side has the same share of cases among its AP films."""
    bins: int = Field(default=5, ge=2, le=50)
    """Equally filled bins for ``stratified`` by a number: a target that a task takes as a number, and any column of
    more than ten numbers that no task takes as classes."""
    fractions: Annotated[list[Fraction], Field(min_length=3, max_length=3)] = [0.7, 0.15, 0.15]
    """Shares of train, validation and test; they sum to 1."""
    train_fraction: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Instead of ``fractions``: the share that trains; validation and test halve the rest."""
    seed: Seed = 42
    """Seed of the assignment."""
    folds: int | None = Field(default=None, ge=2, le=100)
    """Folds beside the sides: all subjects but the test share are dealt to folds 0 … k − 1 (column ``fold``).
    Experiments with ``train.folds`` use them; the others use the sides."""
    group: Text | None = None
    """``group_out``: the grouping column."""
    test: list[Cell] = []
    """``group_out``: the levels of ``group`` that test."""
    validation: list[Cell] = []
    """``group_out``: the levels that validate; without them validation is a share of the other groups' subjects."""
    columns: Text | dict[Side, Text] | None = None
    """``predefined``: one column that names the side, or for each side a column of yes/no, 1/0."""
    rest: Literal["error", "leave_out", "train", "validation", "test"] = "error"
    """``predefined``: treatment of rows that no column assigns to a partition. A subject is never parted by it: that is
    an error."""
    fill: dict[Side, Annotated[float, Field(gt=0.0, lt=1.0)]] = {}
    """``predefined``: partitions that the table or the folders lack, as a share of the training subjects, such as
    ``{test: 0.15}``. One that is not written has its share of ``fractions``."""
    near_duplicate_correlation: float = Field(default=0.98, gt=0.0, le=1.0)
    """Images in two partitions whose tensors have at least this correlation are reported as near-duplicates, of ten
    samples and more only where they also agree in what sets them apart from the mean of all."""
    near_duplicate_bits: int = Field(default=10, ge=0, le=32)
    """Bits (of 64) in which two perceptual hashes may differ for the pair to be correlated at all."""
    interval_half_width: float = Field(default=0.1, gt=0.0, lt=0.5)
    """A warning is given for partitions whose 95 % interval of a proportion has a larger half-width."""

    @model_validator(mode="after")
    def _consistent(self) -> SplitConfig:
        if abs(sum(self.fractions) - 1.0) > 1e-6:
            raise ValueError(f"fractions {self.fractions} sum to {sum(self.fractions):g}, not to 1")
        needs = {"stratified": ("on",), "group_out": ("group",)}
        for key in needs.get(self.method, ()):
            if not getattr(self, key):
                raise ValueError(f"split method {self.method!r} needs the key {key!r}")
        if self.method == "group_out" and not (self.test or self.folds):
            raise ValueError("split method 'group_out' needs 'test: [levels held out]' or 'folds'")
        if self.balance and self.method != "stratified":
            raise ValueError(f"balance {self.balance} is of the method 'stratified', not of {self.method!r}")
        both = sorted(set(map(str, self.test)) & set(map(str, self.validation)))
        if both:
            raise ValueError(f"levels {both} are in test and in validation")
        return self

    @property
    def has_test(self) -> bool:
        """Whether a side is there to test on; of ``predefined`` the table decides."""
        if self.method == "group_out":
            return bool(self.test)
        return self.method == "predefined" or self.shares["test"] > 0

    @property
    def shares(self) -> dict[str, float]:
        """Share of each side."""
        if self.train_fraction is not None:
            half = (1.0 - self.train_fraction) / 2
            return {"train": self.train_fraction, "validation": half, "test": half}
        return dict(zip(("train", "validation", "test"), self.fractions, strict=True))


def _named(value: object) -> object:
    """``[sex, age]`` means ``{sex: sex, age: age}``; a single name is a list of one."""
    if isinstance(value, str):
        value = [value]
    return {name: name for name in value} if isinstance(value, list) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _bare(value: object) -> object:
    """``{"{size}": 3}`` means ``{size: 3}``: a column whose name may not be a key (see :mod:`run_cache`) in braces."""
    if not isinstance(value, dict):
        return value
    return {re.sub(r"^\{(.+)\}$", r"\1", key) if isinstance(key, str) else key: rule for key, rule in value.items()}


Columns = Annotated[dict[Text, Text], BeforeValidator(_named)]
Target = Annotated[TargetColumn, BeforeValidator(lambda v: by_name(v, "column"))]
Filter = Cell | list[Cell] | Range | Unless


class DatasetConfig(Block):
    """A cohort: a folder of files and a table (or class folders) that says what they show."""

    root: LocalPath
    """Folder of the files, anywhere, a share too. Nothing is ever written to it and no file outside it is read."""
    watch: LocalPath | None = None
    """What DVC watches for changes: the root, or, where it holds more files than one wants hashed, its ``index``. What
    the dataset reads beside it (a table elsewhere) stands in the group ``watched``."""
    table: LocalPath | None = None
    """CSV (``,`` ``;`` or tab), Excel, SPSS, SAS, Stata or Parquet file, below ``root`` or the project, or absolute."""
    sheet: Text | None = None
    """Excel: the sheet; without it the first."""
    max_table_megabytes: float = Field(default=100.0, gt=0.0)
    """The largest table that is read, in MB; of an Excel file unpacked."""
    header: int = Field(default=1, ge=1)
    """Row of the column names; titles above it are ignored."""
    separator: (
        Annotated[Literal[",", ";", "\t"], BeforeValidator(lambda v: "\t" if v in ("\\t", "tab") else v)] | None
    ) = None
    """CSV: the separator; without it the one that the header shows. A tab as ``"\\t"``, ``\\t`` or ``tab``."""
    decimal: Literal[".", ","] = "."
    """Decimal separator of the numbers in the table."""
    class_folders: bool = False
    """No table: ``<class>/…`` or ``train/<class>/…``, ``val/<class>/…``, ``test/<class>/…`` below ``root``."""
    files: Annotated[list[Text], BeforeValidator(_listed)] = []
    """Path below ``root`` from columns in braces: ``"{id}_{session}.nii.gz"``; ``{id:03d}`` writes 7 as 007. Several
    become channels."""
    masks: Annotated[list[Text], BeforeValidator(_listed)] = []
    """Path of the segmentation mask, the same way; several become labels 1, 2, … of one mask. ``*`` in a file's name
    stands for anything: ``"{id}_mask*.png"``, for files of instances (the input's ``mask_instances``)."""
    region: Text | None = None
    """Path of a mask, the same way, of the region that metrics of masks are limited to (the field of view of a fundus
    photograph). Where its column is empty, the whole image counts."""
    rater_masks: dict[Text, Annotated[list[Text], BeforeValidator(_listed)]] = {}
    """Masks that other readers drew: a reader's name and the path, the same way as ``masks``. They are compared with
    the reference and with the model. Where a column is empty, the reader has not drawn the sample."""
    series: Annotated[SeriesName, BeforeValidator(lambda v: by_name(v, "name"))] | None = None
    """The one DICOM series that a row means where its folder holds several. Files that are not DICOM have none."""
    volume: Annotated[VolumeName, BeforeValidator(lambda v: by_name(v, "name"))] | None = None
    """The one volume that a row means where its file or series holds several (echoes, b-values, times)."""
    follow_links: bool = False
    """Allow symbolic links below ``root`` that lead out of it (data kept by DataLad or DVC)."""
    index: LocalPath | None = None
    """Index of ``root`` written by ``scantune index``: digests of unchanged files are taken from it."""
    subject_from: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Class folders: regular expression for the subject's id in a file's name, ``"^[^_]+"`` or ``"patient([0-9]+)"``.
    Its first group, if it has one, is the id, else all it matches; in the outputs stands a digest of it."""
    subject: Text | PartOf | None = None
    """Column of the subject's id, or the part of one: ``{column: Path, match: "patient[0-9]+"}``. Without it every
    sample is treated as a separate subject, and the report states it."""
    join_ids: bool = False
    """Take subject ids that differ only in case, blanks, dashes, quotes, leading zeros, a final .0 or Unicode form
    (``P1``, ``p1``; ``7``, ``007``) for one subject. Without it they are apart; ``check`` and the split tell."""
    sample: Text | None = None
    """Sample id from columns in braces. Without it the column ``sample_id``, or the columns named in ``files``."""
    pseudonyms: Pseudonyms | None = None
    """Replace sample and subject ids by keyed digests in all that is written."""
    targets: Annotated[dict[Text, Target], BeforeValidator(_named)] = {}
    """Targets to predict: a name and its column."""
    groups: Columns = {}
    """Columns for subgroup tables, group-out splits and scanner terms: sex, age, site, scanner. An age over 89
    (``age``, ``Patient Age``, ``age_years`` …) becomes 90+."""
    bands: dict[Text, Annotated[list[float], Field(min_length=1)]] = {}
    """Groups cut into bands at these numbers: ``{age: [18, 40, 65]}``."""
    raters: Columns = {}
    """Several readers of the same sample: a reader's name and the column of his values. Of graded zones one column a
    zone, named ``<reader>_<zone>`` or ``<reader>/<zone>``."""
    where: Annotated[dict[Text, Filter], BeforeValidator(_bare)] = {}
    """Rows to include: ``{column: value}``, ``[list]``, ``{min: , max: }`` or ``{exclude: [values]}``. All must hold. A
    column named size stands in braces: ``{"{size}": {min: 3}}``; DVC overlooks changes under a key ``size``."""
    recode: dict[Text, dict[str, Cell]] = {}
    """Cells of a column replaced before anything else reads them, keys in quotes: ``{age: {"-9": "", "999": ""}, sex:
    {Male: M}}`` empties what stands for a missing value and joins two spellings. Numbers compare as numbers."""
    order: Text | None = None
    """Column of a date (ISO: 2024-03-31) or number that sequential and temporal splits sort by."""
    split: SplitConfig = SplitConfig()
    """Train, validation and test."""
    max_excluded_fraction: Fraction = 0.1
    """Preprocess fails if a larger share of the samples is unusable."""

    _also = also(data_dir="root", videos_dir="root", image_dir="root", csv_file="table")

    def without_places(self) -> dict[str, object]:
        """All but where the files lie: folders may be named after people and places, and outputs are shared."""
        return self.model_dump(mode="json", exclude={"root", "watch", "table", "index"})

    @property
    def subjects_known(self) -> bool:
        """Whether something says which samples are of one subject."""
        return self.subject is not None or self.subject_from is not None

    @field_validator("subject_from")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        return value if value is None else _pattern(value)

    @model_validator(mode="after")
    def _consistent(self) -> DatasetConfig:
        if self.class_folders == bool(self.table):
            raise ValueError("give either 'table' or 'class_folders: true'")
        if (self.region or self.rater_masks) and not self.masks:
            raise ValueError("'region' and 'rater_masks' belong to 'masks': the path of the reference mask")
        if any(re.search(r"\*.*/", template) for template in self.masks):
            raise ValueError("'masks': * stands for a part of a file's name, not of a folder's")
        if self.table and not self.files:
            raise ValueError("'table' needs 'files': the path of a sample's file from the table's columns, in braces")
        for key in ("subject", "series", "volume") if self.class_folders else ("subject_from",):
            if getattr(self, key) is not None:
                raise ValueError(f"'{key}' is for {'a table' if self.class_folders else 'class folders'}")
        unknown = sorted(set(self.bands) - set(self.groups))
        if unknown:
            raise ValueError(f"bands of {unknown}: not among the groups {sorted(self.groups)}")
        if self.split.group and self.split.group not in self.groups:
            raise ValueError(f"split group {self.split.group!r} is not among the groups {sorted(self.groups)}")
        if self.split.method == "temporal" and not self.order:
            raise ValueError("split method 'temporal' needs 'order': the column of the date")
        if self.split.method == "predefined" and not (self.split.columns or self.class_folders):
            raise ValueError("split method 'predefined' needs 'columns'")
        known = {*self.targets, *self.groups, *({"label"} if self.class_folders and not self.targets else ())}
        missing = sorted({*self.split.on, *self.split.balance} - known)
        if missing:
            raise ValueError(f"split on {missing}: neither a target nor a group; there are {sorted(known)}")
        return self
