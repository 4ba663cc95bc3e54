"""The 44 items of CLAIM's 2024 update."""

from __future__ import annotations

from scantune.report import words_of as said
from scantune.report.facts import RunFacts
from scantune.report.items import Item


def members(facts: RunFacts) -> str:
    """Whether outputs of several networks were averaged."""
    members = facts.model.get("members")
    if not isinstance(members, int):
        return ""
    return "none: a single network" if members == 1 else f"outputs of {members} networks averaged"


def readers(facts: RunFacts) -> str:
    """Whether the table has human readers."""
    return "" if not facts.metrics.get("raters") else "agreement of the table's readers: see the readers' table"


def external(facts: RunFacts) -> str:
    """Cohorts from elsewhere that were tested."""
    held = facts.metrics.get("external") or {}
    return f"tested on {held.get('dataset', 'data from elsewhere')}" if held else ""


def mistakes(facts: RunFacts) -> str:
    """How many test samples were wrong."""
    return f"{facts.mistakes_of}; worst first in the error sheet" if facts.mistakes_of else ""


def final(facts: RunFacts) -> str:
    """How the checkpoint was chosen."""
    members = facts.training.get("members") or ()
    if not members:
        return ""
    first = members[0]
    return f"checkpoint of the best {first.get('monitor')} on validation (epoch {first.get('best_epoch')})"


def by_group(facts: RunFacts) -> str:
    """Columns by which figures are given."""
    groups = said.subgroups(facts)
    return f"figures by {groups}" if groups else ""


def kind(facts: RunFacts) -> str:
    """The technology in a sentence."""
    network = said.network(facts)
    return f"deep learning: {network}, {said.task(facts)}" if network else ""


def characteristics(facts: RunFacts) -> str:
    """Where the cohort table is."""
    return "cohort table by side of the split" if facts.audit.get("sides") else ""


def missing(facts: RunFacts) -> str:
    """What became of samples that miss something."""
    known = said.flow(facts)
    return (
        "samples without usable image or target are left out, counted by reason, and named in excluded.csv"
        if known
        else ""
    )


def disjoint(facts: RunFacts) -> str:
    """What no two sides share."""
    if not facts.audit.get("sides"):
        return ""
    if facts.flow.get("subjects_known", True):
        return "subject: no subject and no identical image stands on two sides (audited)"
    return "sample: no subject ids were given"


def sides(facts: RunFacts) -> str:
    """Subjects tested."""
    test = (facts.audit.get("sides") or {}).get("test") or {}
    return f"{test['subjects']} subjects tested; how that number was chosen: author" if test else ""


def internal(facts: RunFacts) -> str:
    """The sides, in numbers."""
    held = said.sides(facts)
    return f"on the test side, never trained on nor chosen by ({held})" if held else ""


CLAIM = (
    Item("1", "Title", "Says that it is an AI study and which technology", kind),
    Item("2", "Abstract", "Summary of design, methods, results, conclusions"),
    Item("3", "Introduction", "Scientific or clinical background, intended use and role"),
    Item("4", "Introduction", "Aims, objectives, hypotheses"),
    Item("5", "Study design", "Prospective or retrospective"),
    Item("6", "Study design", "Goal of the study"),
    Item("7", "Data", "Sources of the data", said.cohort),
    Item("8", "Data", "Who is included and who is not", said.left_out),
    Item("9", "Data", "Preprocessing", said.preprocessing),
    Item("10", "Data", "How parts of the data were selected"),
    Item("11", "Data", "De-identification"),
    Item("12", "Data", "Missing data", missing),
    Item("13", "Data", "How images were acquired"),
    Item("14", "Reference standard", "How the reference standard was defined"),
    Item("15", "Reference standard", "Why this one"),
    Item("16", "Reference standard", "Source of the annotations: who made them, with what training"),
    Item("17", "Reference standard", "How the test set was annotated"),
    Item("18", "Reference standard", "Variability between and within annotators, measured", readers),
    Item("19", "Data partitions", "How data were assigned to partitions", said.split),
    Item("20", "Data partitions", "Level at which partitions are disjoint", disjoint),
    Item("21", "Testing data", "Intended sample size and how it was chosen", sides),
    Item("22", "Model", "The model in detail", said.network),
    Item("23", "Model", "Software and versions", said.software),
    Item("24", "Model", "How parameters were initialised", said.weights),
    Item("25", "Training", "Training, with augmentation and hyper-parameters", said.training),
    Item("26", "Training", "How the final model was chosen", final),
    Item("27", "Training", "Ensembles", members),
    Item("28", "Evaluation", "Measures of performance",
         said.measures),
    Item("29", "Evaluation", "Significance and uncertainty", said.intervals),
    Item("30", "Evaluation", "Robustness, sensitivity analysis", by_group),
    Item("31", "Evaluation", "Explainability", said.saliency),
    Item("32", "Evaluation", "Evaluation on internal data", internal),
    Item("33", "Evaluation", "Testing on external data", external),
    Item("34", "Evaluation", "Registration of a clinical trial"),
    Item("35", "Results: data", "Numbers included and left out", said.flow),
    Item("36", "Results: data", "Characteristics of each partition", characteristics),
    Item("37", "Results: performance", "Performance with uncertainty", said.figures),
    Item("38", "Results: performance", "Diagnostic performance with its precision", said.diagnostic),
    Item("39", "Results: performance", "Analysis of what was answered wrongly", mistakes),
    Item("40", "Discussion", "Limitations"),
    Item("41", "Discussion", "Implications for practice"),
    Item("42", "Other", "Where protocol and technical details are",
         lambda f: "all settings and digests are in this report" if f.settings else ""),
    Item("43", "Other", "Availability of software, model and data"),
    Item("44", "Other", "Funding and the funders' role"),
)  # fmt: skip
