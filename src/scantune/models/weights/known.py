"""Published weights by name: file, origin, licence and input."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scantune.models.backbone import Backbone, Normalization
from scantune.models.weights.packaged import PACKAGED, PackagedWeights
from scantune.records import ScantuneError


@dataclass(frozen=True)
class PublishedWeights:
    """One set of published weights.

    Attributes:
        name: as in ``weights: <name>``.
        files: names of the file that are searched, the published one first.
        format: of the file.
        origin: page of the publication.
        licence: as published, for the model card.
        trained_on: training data, for the model card.
        normalization: of its input, or None for that of the network.
        url: of the file, or "" where it must be downloaded manually.
        hub: Hugging Face repository, or "".
        hub_file: name of the file in the repository.
        size: spatial size of the training input, (H, W), (D, H, W) or (T, H, W); empty where unknown.
        packaged: a package that contains the weights, or None.
    """

    name: str
    files: tuple[str, ...]
    format: str
    origin: str
    licence: str
    trained_on: str
    normalization: Normalization | None = None
    url: str = ""
    hub: str = ""
    hub_file: str = "model.safetensors"
    size: tuple[int, ...] = ()
    packaged: PackagedWeights | None = None


_IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _medicalnet(depth: int) -> PublishedWeights:
    return PublishedWeights(
        "medicalnet",
        (f"resnet_{depth}_23dataset.pth", f"resnet_{depth}.pth"),
        "PyTorch checkpoint with state_dict of module. names",
        "https://github.com/Tencent/MedicalNet",
        "MIT",
        "23 public CT and MR segmentation data sets (3DSeg-8 and others)",
        hub=f"TencentMedicalNet/MedicalNet-Resnet{depth}",
        hub_file=f"resnet_{depth}_23dataset.pth",
    )


def _kinetics(file: str, size: tuple[int, ...] = (16, 112, 112)) -> PublishedWeights:
    return PublishedWeights(
        "kinetics",
        (file,),
        "torchvision state_dict",
        "https://pytorch.org/vision/stable/models.html#video-classification",
        "BSD-3-Clause (torchvision); Kinetics-400 annotations CC BY 4.0, its videos under their owners' terms",
        "Kinetics-400",
        url=f"https://download.pytorch.org/models/{file}",
        size=size,
    )


#: (name of the weights, backbone) → facts. ``imagenet`` of timm networks is derived from the table of timm.
KNOWN: dict[tuple[str, str], PublishedWeights] = {
    **{("medicalnet", f"resnet{depth}_3d"): _medicalnet(depth) for depth in (10, 18, 34, 50)},
    ("kinetics", "r2plus1d_18"): _kinetics("r2plus1d_18-91a641e6.pth"),
    ("kinetics", "r3d_18"): _kinetics("r3d_18-b3b3357e.pth"),
    ("kinetics", "mc3_18"): _kinetics("mc3_18-a90a0ba3.pth"),
    ("kinetics", "mvit_v2_s"): _kinetics("mvit_v2_s-ae3be167.pth", (16, 224, 224)),
    ("kinetics", "swin3d_t"): _kinetics("swin3d_t-7615ae03.pth", (32, 224, 224)),
    ("chexnet", "chexnet"): PublishedWeights(
        "chexnet",
        ("chexnet.pth.tar", "chexnet.safetensors", "model.pth.tar"),
        "PyTorch checkpoint, DenseNet121 with module.densenet121. names of PyTorch 0.3",
        "https://github.com/arnoweng/CheXNet",
        "none stated; trained on NIH ChestX-ray14 (open, with attribution)",
        "NIH ChestX-ray14, 112,120 radiographs, from ImageNet weights",
        _IMAGENET,
        size=(224, 224),
    ),
    ("raddino", "raddino"): PublishedWeights(
        "raddino",
        ("rad-dino/model.safetensors", "raddino.safetensors", "rad-dino.safetensors"),
        "Hugging Face safetensors, Dinov2Model names",
        "https://huggingface.co/microsoft/rad-dino",
        "MIT (until 2025 Microsoft Research License); for research, not for clinical practice",
        "882,775 chest radiographs (MIMIC-CXR, CheXpert, NIH, PadChest, BRAX and others), from DINOv2",
        Normalization((0.5307, 0.5307, 0.5307), (0.2583, 0.2583, 0.2583)),
        hub="microsoft/rad-dino",
        size=(518, 518),
    ),
    ("ssl_ct", "swinunetr"): PublishedWeights(
        "ssl_ct",
        ("model_swinvit.pt", "ssl_pretrained_weights.pth"),
        "PyTorch checkpoint, Swin transformer with module. or encoder. names",
        "https://github.com/Project-MONAI/research-contributions/tree/main/SwinUNETR/Pretrain",
        "Apache-2.0",
        "5,050 CT volumes, self-supervised",
        size=(96, 96, 96),
    ),
}
#: Weights that ``published`` refers to, where they are not those of ImageNet.
_DEFAULT = {backbone: name for name, backbone in KNOWN}
# The same weights for the generic architecture, where they must be requested by name.
KNOWN["chexnet", "densenet121"] = KNOWN["chexnet", "chexnet"]
KNOWN["raddino", "vit_base_patch14_dinov2"] = KNOWN["raddino", "raddino"]


def find(name: str, backbone: Backbone) -> PublishedWeights:
    """The weights ``name`` ("published" for the backbone's default) for a backbone.

    Raises:
        ScantuneError: there are no such weights; with the known names.
    """
    net = backbone.published_name
    resolved = _DEFAULT.get(net, "imagenet") if name == "published" else name
    if (resolved, net) in KNOWN:
        return KNOWN[resolved, net]
    whole = not backbone.recipe.dense or backbone.published_part
    if resolved == "imagenet" and backbone.recipe.modality != "volume" and whole:
        weights = from_timm(net)
        if weights is not None:
            return weights
    names = sorted({n for n, b in KNOWN if b == net}) or ["none (give a file)"]
    raise ScantuneError(f"weights {name!r}: unknown for backbone {net!r}; known are {', '.join(names)}")


def is_published(weights: str) -> bool:
    """Whether ``weights`` is the name of published weights rather than a path."""
    return weights in {"published", "imagenet"} | {name for name, _ in KNOWN}


def licence(weights: str, backbone: Backbone) -> str:
    """Licence of named weights for the model card; "not known" for a custom file."""
    return find(weights, backbone).licence if is_published(weights) else "not known: custom weights file"


def from_timm(net: str) -> PublishedWeights | None:
    """ImageNet weights of a timm name or short name, from the table of timm; None where there are none."""
    import timm

    from scantune.models.images import ALIASES

    model = ALIASES.get(net, net)
    cfg = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    if cfg is None or not cfg.has_weights:
        return None
    url = str(cfg.url or "")
    hub = str(cfg.hf_hub_id or "")
    short = model.split(".")[0]
    files = [f"{net}.safetensors", f"{short}.safetensors", f"{short}.pth", url.rsplit("/", 1)[-1]]
    tag = f"{short}.{cfg.tag}" if cfg.tag else short
    weights = PublishedWeights(
        "imagenet",
        tuple(dict.fromkeys([f"{tag}.safetensors", f"{tag}/model.safetensors", *(name for name in files if name)])),
        "timm's safetensors or PyTorch state_dict",
        f"https://huggingface.co/{hub}" if hub else url,
        str(cfg.license or "not stated"),
        str(cfg.tag or "ImageNet"),
        Normalization(tuple(cfg.mean), tuple(cfg.std)) if cfg.mean else None,
        url=url,
        hub=hub,
        size=tuple(cfg.input_size[1:]),
    )
    return replace(weights, packaged=PACKAGED.get(("imagenet", net)))
