"""The 44 items of CLAIM's 2024 update."""

from __future__ import annotations

from scantune.amounts import number_of
from scantune.report import sentences
from scantune.report.facts import RunFacts
from scantune.report.items import Item


def members(facts: RunFacts) -> str:
    """Whether outputs of several networks were averaged."""
    members = facts.model.get("members")
    if not isinstance(members, int):
        return ""
    return "none (single network)" if members == 1 else f"predictions of {members} networks averaged"


def readers(facts: RunFacts) -> str:
    """Whether the table has human readers."""
    return "" if not facts.metrics.get("raters") else "interreader agreement: see the table of readers"


def external(facts: RunFacts) -> str:
    """Cohorts from elsewhere that were tested."""
    section = facts.metrics.get("external") or {}
    return f"tested on {section.get('dataset', 'an external data set')}" if section else ""


def mistakes(facts: RunFacts) -> str:
    """How many test samples were wrong."""
    return f"{facts.mistakes_of}; listed in the table of errors, largest first" if facts.mistakes_of else ""


def final(facts: RunFacts) -> str:
    """How the checkpoint was chosen."""
    members = facts.training.get("members") or ()
    if not members:
        return ""
    first = members[0]
    return f"checkpoint with the best {first.get('monitor')} on the validation set (epoch {first.get('best_epoch')})"


def by_group(facts: RunFacts) -> str:
    """Columns by which metrics are reported."""
    groups = sentences.subgroups(facts)
    return f"metrics by {groups}" if groups else ""


def kind(facts: RunFacts) -> str:
    """The technology in a sentence."""
    network = sentences.network(facts)
    return f"deep learning: {network}, {sentences.task(facts)}" if network else ""


def characteristics(facts: RunFacts) -> str:
    """Where the cohort table is."""
    return "see the cohort table by partition" if facts.audit.get("sides") else ""


def missing(facts: RunFacts) -> str:
    """How samples with missing data were handled."""
    if not sentences.flow(facts):
        return ""
    excluded = "samples without a usable image or target were excluded; counts by reason below, ids in excluded.csv"
    return f"{excluded}; missing covariates were taken as unknown" if sentences.covariates(facts) else excluded


def disjoint(facts: RunFacts) -> str:
    """The level at which partitions are disjoint."""
    if not facts.audit.get("sides"):
        return ""
    if facts.flow.get("subjects_known", True):
        return "subject level: no subject and no identical image is in two partitions (audited)"
    return "sample level: no subject identifiers were available"


def sides(facts: RunFacts) -> str:
    """Subjects tested."""
    test = (facts.audit.get("sides") or {}).get("test") or {}
    return f"{number_of(test['subjects'], 'test subject')}; rationale for the sample size: author" if test else ""


def internal(facts: RunFacts) -> str:
    """The sides, in numbers."""
    section = sentences.partitions(facts)
    return f"on the test set, used neither for training nor for model selection ({section})" if section else ""


CLAIM = (
    Item("1", "Title", "Identification as an AI study, with the class of technology", kind),
    Item("2", "Abstract", "Summary of design, methods, results, conclusions"),
    Item("3", "Introduction", "Scientific or clinical background, intended use and role"),
    Item("4", "Introduction", "Aims, objectives, hypotheses"),
    Item("5", "Study design", "Prospective or retrospective"),
    Item("6", "Study design", "Goal of the study"),
    Item("7", "Data", "Sources of the data", sentences.cohort),
    Item("8", "Data", "Inclusion and exclusion criteria", sentences.inclusion),
    Item("9", "Data", "Preprocessing", sentences.preprocessing),
    Item("10", "Data", "Selection of data subsets"),
    Item("11", "Data", "De-identification"),
    Item("12", "Data", "Missing data", missing),
    Item("13", "Data", "Image acquisition protocol"),
    Item("14", "Reference standard", "Definition of the reference standard"),
    Item("15", "Reference standard", "Rationale for the reference standard"),
    Item("16", "Reference standard", "Source of the annotations; qualifications and training of the annotators"),
    Item("17", "Reference standard", "Annotation of the test set"),
    Item("18", "Reference standard", "Interrater and intrarater variability", readers),
    Item("19", "Data partitions", "Assignment of data to partitions", sentences.split),
    Item("20", "Data partitions", "Level at which partitions are disjoint", disjoint),
    Item("21", "Testing data", "Intended sample size and its rationale", sides),
    Item("22", "Model", "Detailed description of the model", sentences.network),
    Item("23", "Model", "Software and versions", sentences.software),
    Item("24", "Model", "Initialisation of the parameters", sentences.weights),
    Item("25", "Training", "Training, with data augmentation and hyperparameters", sentences.training),
    Item("26", "Training", "Selection of the final model", final),
    Item("27", "Training", "Ensembles", members),
    Item("28", "Evaluation", "Metrics of model performance",
         sentences.metric_names),
    Item("29", "Evaluation", "Statistical significance and uncertainty", sentences.intervals),
    Item("30", "Evaluation", "Robustness, sensitivity analysis", by_group),
    Item("31", "Evaluation", "Explainability", sentences.saliency),
    Item("32", "Evaluation", "Evaluation on internal data", internal),
    Item("33", "Evaluation", "Testing on external data", external),
    Item("34", "Evaluation", "Registration of a clinical trial"),
    Item("35", "Results: data", "Numbers included and excluded", sentences.flow),
    Item("36", "Results: data", "Characteristics of each partition", characteristics),
    Item("37", "Results: performance", "Performance with uncertainty", sentences.metric_values),
    Item("38", "Results: performance", "Diagnostic performance with its precision", sentences.diagnostic),
    Item("39", "Results: performance", "Failure analysis of incorrect results", mistakes),
    Item("40", "Discussion", "Limitations"),
    Item("41", "Discussion", "Implications for practice"),
    Item("42", "Other", "Access to the study protocol and technical details",
         lambda f: "all settings and digests are in this report" if f.settings else ""),
    Item("43", "Other", "Availability of software, model and data"),
    Item("44", "Other", "Funding and the funders' role"),
)  # fmt: skip
