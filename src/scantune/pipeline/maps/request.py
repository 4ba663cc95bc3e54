"""Requests for saliency maps: networks, settings, samples and questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.cohort.manifest import Sample
from scantune.pipeline.answers import Answers
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.maps.others import OtherNetwork
from scantune.pipeline.predictors import Predictors
from scantune.records import ScantuneError
from scantune.tasks import questions
from scantune.tasks.questions import MapQuestion

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from scantune.config.evaluate import SaliencyConfig
    from scantune.explain.saliency import Saliency
    from scantune.registry.model import ModelFacts
    from scantune.tasks.protocol import Task


@dataclass(frozen=True)
class MapRequest:
    """Networks and settings for saliency maps.

    Attributes:
        networks: of the members.
        facts: of the model.
        task: the task.
        settings: the ``saliency:`` block.
        device: where it computes.
        others: use in ``map_checks`` to the other network for the checks of the maps.
        answers: outputs of samples that were predicted before.
        confidence: level of the intervals of the checks.
    """

    networks: Sequence[nn.Module]
    facts: ModelFacts
    task: Task
    settings: SaliencyConfig
    device: str | torch.device
    others: Mapping[str, OtherNetwork] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    confidence: float = 0.95

    @property
    def method(self) -> str:
        """The method, with ``auto`` resolved."""
        chosen = self.settings.method
        placed = questions.of_task(self.task.name).PLACED  # Grad-CAM's mean over places forgets which place is asked
        return ("hirescam" if placed else "gradcam") if chosen == "auto" else chosen

    @cached_property
    def predictors(self) -> Predictors:
        """The model's predictors."""
        return Predictors(self.facts, self.networks, self.task, self.device)

    def network(self, member: Sample) -> nn.Module:
        """The network that predicted a sample, with the sample's covariates: the averaged one, or that of its fold."""
        from scantune.prediction.averaging import conditioned

        return conditioned(self.predictors.of(member).network, self.condition(member))

    def condition(self, member: Sample) -> Tensor | None:
        """Covariates of a sample, [Q]; None of a model without any."""
        import torch

        covariates = self.predictors.served.covariates
        if covariates is None:
            return None
        return torch.from_numpy(covariates.row(member.groups))

    def options(self) -> dict[str, Any]:
        """Additional keywords of :func:`scantune.explain.maps`."""
        return {"layer_idx": self.settings.layer_idx} if self.method == "attention" else {}


def path_of(sides: Sides, member: Sample) -> Path:
    """The cached tensor of a sample."""
    return sides.cache / "samples" / f"{member.sample_id}.safetensors"


def input_of(path: Path) -> Tensor:
    """A cached tensor as network input."""
    from scantune.engine.data import as_input, read_cached

    return as_input(read_cached(path)["input"])


#: Values of the largest sample whose map is made in one piece where networks see patches: a map needs the gradients of
#: all; larger ones are explained window by window.
LARGEST = 2**23


def too_large(prepared: Mapping[str, Any], x: Tensor) -> bool:
    """Whether a sample is explained window by window.

    Args:
        prepared: the ``inputs:`` block.
        x: the sample, [C, …space].
    """
    return prepared.get("patch") is not None and x.numel() > LARGEST


def maps_of(
    request: MapRequest, network: nn.Module, x: Tensor, sample_id: str = ""
) -> tuple[list[MapQuestion], list[Saliency]]:
    """Questions about the output for one sample and their maps; arguments as of :func:`output_of`.

    Raises:
        ScantuneError: no method or layer fits this network; nothing is marked in a sample that is explained in windows.
    """
    from scantune import explain

    output = output_of(request, network, x, sample_id)
    part = questions.of_task(request.task.name)
    map_questions = part.questions(output, request.task)
    options = {"method": request.method, "layer": request.settings.layer, **request.options()}
    if not too_large(request.facts.input, x):
        maps = explain.maps(network, x, [one.target for one in map_questions], **options)
        return map_questions[: len(maps)], maps
    from scantune.explain import windowed
    from scantune.registry.tensors import windows_of

    windows, regions = windows_of(request.facts.input, x.device), getattr(part, "regions", None)
    if windows is None or regions is None:
        raise ScantuneError(
            f"a sample of {x.numel():,} values is explained window by window, for which the task {request.task.name} "
            "has no regions"
        )
    exclusive = request.task.class_axis != "each"
    maps = windowed.maps(
        windows,
        x,
        regions(output, request.task),
        lambda number, region: questions.dense(map_questions[number].index[0], region, exclusive=exclusive),
        lambda window, targets: explain.maps(network, window, targets, **options),
    )
    return map_questions, maps


def output_of(request: MapRequest, network: nn.Module, x: Tensor, sample_id: str = "") -> Tensor:
    """The output for one sample [C, …], with test-time augmentation, without the batch axis: the stored output
    if the sample was predicted before, else that of ``network``."""
    from scantune.registry.tensors import tensor_predictor

    answer = request.answers.output(sample_id)
    if answer is not None:
        return answer
    return tensor_predictor(request.facts, [network], request.task, request.device).output(x[None].cpu()).mean[0]


def questions_of(request: MapRequest, network: nn.Module, x: Tensor, sample_id: str = "") -> list[MapQuestion]:
    """Map questions about the output for one sample; arguments as of :func:`output_of`."""
    return questions.of_task(request.task.name).questions(output_of(request, network, x, sample_id), request.task)
