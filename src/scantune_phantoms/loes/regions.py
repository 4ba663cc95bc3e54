"""What the Loes score counts, and where it lies in MNI space.

Items and points after Loes et al., AJNR 1994;15:1761: each site counts 1 point where both sides are affected and 0.5
where one is; four parts of the corpus callosum's and the global items have no side. The greatest sum is 34.
Places are ellipsoids fitted by eye to the MNI152 brain: good enough for a phantom, not an atlas.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Item:
    """One line of the score sheet.

    Attributes:
        name: of the line.
        group: of the lines it stands among.
        centre: mm in MNI space, right side (x > 0); the left is its mirror image. x = 0 for a midline item.
        radii: of the ellipsoid, mm.
        tissue: "white" where the lesion keeps to white matter, "any" where it takes nuclei and brain stem too.
        atrophy: the item is a loss of volume around ``centre``, not a lesion.
        points: of the whole item.
    """

    name: str
    group: str
    centre: Point
    radii: Point
    tissue: str = "white"
    atrophy: bool = False
    points: float = 1.0

    @property
    def sided(self) -> bool:
        """Whether left and right count half each."""
        return self.centre[0] != 0


def _lobe(group: str, *places: tuple[str, Point, Point], atrophy: tuple[Point, Point]) -> list[Item]:
    lines = [Item(f"{group} {name}", group, centre, radii) for name, centre, radii in places]
    return [*lines, Item(f"{group} atrophy", group, *atrophy, tissue="any", atrophy=True)]


ITEMS: tuple[Item, ...] = (
    *_lobe(
        "parieto-occipital",
        ("periventricular", (27, -56, 14), (11, 20, 14)),
        ("central", (30, -64, 22), (14, 22, 19)),
        ("subcortical", (33, -72, 24), (18, 24, 26)),
        atrophy=((25, -47, 10), (20, 24, 20)),
    ),
    *_lobe(
        "anterior temporal",
        ("periventricular", (35, -18, -16), (8, 15, 8)),
        ("central", (41, -12, -21), (10, 17, 11)),
        ("subcortical", (45, -5, -26), (13, 19, 15)),
        atrophy=((34, -14, -20), (17, 20, 15)),
    ),
    *_lobe(
        "frontal",
        ("periventricular", (20, 27, 12), (10, 16, 16)),
        ("central", (26, 34, 18), (13, 20, 21)),
        ("subcortical", (30, 42, 20), (17, 21, 27)),
        atrophy=((12, 18, 10), (18, 22, 20)),
    ),
    Item("splenium", "corpus callosum", (0, -39, 13), (20, 10, 12)),
    Item("body", "corpus callosum", (0, -10, 27), (17, 27, 9)),
    Item("genu", "corpus callosum", (0, 29, 7), (18, 10, 14)),
    Item("splenium atrophy", "corpus callosum", (0, -42, 12), (16, 16, 16), "any", atrophy=True),
    Item("genu atrophy", "corpus callosum", (0, 26, 8), (16, 16, 16), "any", atrophy=True),
    Item("optic radiation", "visual pathway", (35, -48, 2), (8, 22, 9)),
    Item("Meyer's loop", "visual pathway", (39, -12, -10), (9, 11, 7)),
    Item("lateral geniculate body", "visual pathway", (23, -25, -4), (6, 6, 6), "any"),
    Item("optic tract", "visual pathway", (15, -9, -9), (7, 8, 6), "any"),
    Item("medial geniculate body", "auditory pathway", (16, -27, -6), (6, 6, 6), "any"),
    Item("brachium of inferior colliculus", "auditory pathway", (10, -33, -8), (6, 6, 6), "any"),
    Item("lateral lemniscus", "auditory pathway", (9, -35, -20), (5, 5, 8), "any"),
    Item("trapezoid body", "auditory pathway", (7, -28, -34), (6, 7, 7), "any"),
    Item("internal capsule", "projection fibres", (22, -10, 10), (7, 15, 13)),
    Item("corticospinal tract in the brain stem", "projection fibres", (7, -21, -26), (6, 7, 13), "any"),
    Item("cerebellar white matter", "cerebellum", (22, -60, -36), (13, 15, 10)),
    Item("cerebellar atrophy", "cerebellum", (20, -62, -36), (24, 22, 18), "any", atrophy=True),
    Item("basal ganglia", "basal ganglia", (24, 3, 2), (9, 15, 10), "any"),
    Item("mild global atrophy", "global atrophy", (0, -10, 20), (40, 50, 40), "any", atrophy=True),
    Item("moderate global atrophy", "global atrophy", (0, -10, 20), (40, 50, 40), "any", atrophy=True),
    Item("severe global atrophy", "global atrophy", (0, -10, 20), (40, 50, 40), "any", atrophy=True),
    Item("brain stem atrophy", "global atrophy", (0, -27, -32), (14, 14, 22), "any", atrophy=True),
)

MAX_SCORE = 34.0

#: Stage (0–1) at which each item is first hit in the usual, posterior course. Those not named come at 0.9.
POSTERIOR = {
    "splenium": 0.02,
    "parieto-occipital periventricular": 0.04,
    "parieto-occipital central": 0.12,
    "optic radiation": 0.16,
    "parieto-occipital subcortical": 0.25,
    "medial geniculate body": 0.22,
    "lateral geniculate body": 0.24,
    "splenium atrophy": 0.28,
    "brachium of inferior colliculus": 0.30,
    "parieto-occipital atrophy": 0.33,
    "lateral lemniscus": 0.36,
    "internal capsule": 0.34,
    "Meyer's loop": 0.40,
    "anterior temporal periventricular": 0.40,
    "body": 0.42,
    "mild global atrophy": 0.45,
    "anterior temporal central": 0.48,
    "trapezoid body": 0.50,
    "corticospinal tract in the brain stem": 0.46,
    "anterior temporal subcortical": 0.58,
    "cerebellar white matter": 0.56,
    "frontal periventricular": 0.58,
    "moderate global atrophy": 0.64,
    "frontal central": 0.66,
    "genu": 0.70,
    "anterior temporal atrophy": 0.70,
    "optic tract": 0.72,
    "cerebellar atrophy": 0.74,
    "frontal subcortical": 0.76,
    "basal ganglia": 0.78,
    "severe global atrophy": 0.84,
    "brain stem atrophy": 0.86,
    "genu atrophy": 0.86,
    "frontal atrophy": 0.88,
}

#: The same for the course that begins in the frontal lobes.
FRONTAL = POSTERIOR | {
    "genu": 0.02,
    "frontal periventricular": 0.04,
    "frontal central": 0.12,
    "frontal subcortical": 0.24,
    "genu atrophy": 0.26,
    "frontal atrophy": 0.32,
    "internal capsule": 0.20,
    "basal ganglia": 0.40,
    "body": 0.30,
    "splenium": 0.55,
    "splenium atrophy": 0.80,
    "parieto-occipital periventricular": 0.50,
    "parieto-occipital central": 0.60,
    "parieto-occipital subcortical": 0.75,
    "parieto-occipital atrophy": 0.88,
    "optic radiation": 0.62,
    "medial geniculate body": 0.66,
    "lateral geniculate body": 0.70,
    "brachium of inferior colliculus": 0.74,
    "lateral lemniscus": 0.50,
}
