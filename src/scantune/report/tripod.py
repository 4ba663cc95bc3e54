"""The 27 items of TRIPOD+AI with their parts."""

from __future__ import annotations

from scantune.report import claim, sentences
from scantune.report.facts import RunFacts
from scantune.report.items import Item
from scantune.tasks.catalogue import part


def _predictors(facts: RunFacts) -> str:
    beside = sentences.covariates(facts)
    return (f"the image and {beside}" if beside else "the image alone") if facts.settings.get("input") else ""


def _assessors(facts: RunFacts) -> str:
    if not facts.model or sentences.covariates(facts):  # who assessed the covariates, only the author knows
        return ""
    return "not applicable: the network takes the image itself"


def _balance(facts: RunFacts) -> str:
    sampler, loss = facts.setting("train", "sampler"), facts.model.get("loss")
    return f"sampler {sampler}; loss {loss}" if sampler and loss else ""


def _fairness(facts: RunFacts) -> str:
    groups = sentences.subgroups(facts)
    return f"metrics, differences from all other samples and coverage by {groups}" if groups else ""


def _output(facts: RunFacts) -> str:
    return part(facts.task_name, "words").OUTPUT if facts.task_name else ""


def _calibrated(facts: RunFacts) -> str:
    section = facts.metrics.get("calibration") or {}
    return f"recalibrated on validation ({section['chosen']})" if section.get("chosen") else ""


def _differences(facts: RunFacts) -> str:
    return "see the cohort table and the external cohorts" if facts.audit.get("sides") else ""


def _heterogeneity(facts: RunFacts) -> str:
    groups = sentences.subgroups(facts)
    return f"metrics by {groups}" if groups else ""


def _analysis(facts: RunFacts) -> str:
    section = sentences.partitions(facts)
    return f"{section}; {sentences.split(facts)}" if section else ""


def _measures(facts: RunFacts) -> str:
    drawn = ", ".join(name.replace("_", " ") for name in facts.figures)
    return sentences.metric_names(facts) + (f"; figures: {drawn}" if drawn else "")


def _specification(facts: RunFacts) -> str:
    network = sentences.network(facts)
    return f"{network}; weights and all settings are stored with the run" if network else ""


def _predictions(facts: RunFacts) -> str:
    return "by the stored model, with the preprocessing used in training" if facts.model else ""


def _building(facts: RunFacts) -> str:
    network = sentences.network(facts)
    return (
        "; ".join(part for part in (network, sentences.training(facts), claim.final(facts)) if part) if network else ""
    )


TRIPOD = (
    Item("1", "Title", "Identification as a study of a prediction model, with target population and outcome",
         lambda f: sentences.task(f) if f.task else ""),
    Item("2", "Abstract", "Abstract by TRIPOD+AI for Abstracts"),
    Item("3a", "Background", "Healthcare context and rationale for the model"),
    Item("3b", "Background", "Target population, purpose in the care pathway, intended users"),
    Item("3c", "Background", "Known health inequalities between groups"),
    Item("4", "Objectives", "Objectives: development, evaluation or both"),
    Item("5a", "Data", "Sources of the data, for development and evaluation", sentences.cohort),
    Item("5b", "Data", "Dates of the data"),
    Item("6a", "Participants", "Setting, number and location of centres"),
    Item("6b", "Participants", "Eligibility", sentences.inclusion),
    Item("6c", "Participants", "Treatments received, and how they were handled"),
    Item("7", "Data preparation", "Preprocessing and quality checks, across groups", sentences.preprocessing),
    Item("8a", "Outcome", "Definition of the outcome, its time horizon and assessment"),
    Item("8b", "Outcome", "Qualifications of its assessors, where assessment is subjective", claim.readers),
    Item("8c", "Outcome", "Blinding of its assessment"),
    Item("9a", "Predictors", "Choice of the initial predictors", _predictors),
    Item("9b", "Predictors", "Definition of the predictors", sentences.predictors),
    Item("9c", "Predictors", "Qualifications of their assessors, where assessment is subjective", _assessors),
    Item("10", "Sample size", "Rationale for the sample size, and whether it suffices", claim.sides),
    Item("11", "Missing data", "How missing data were handled", claim.missing),
    Item("12a", "Analysis", "How data were used for development and evaluation", _analysis),
    Item("12b", "Analysis", "How predictors were handled", sentences.predictors),
    Item("12c", "Analysis", "Type of model, building steps, tuning, internal validation", _building),
    Item("12d", "Analysis", "Differences between clusters such as centres", _heterogeneity),
    Item("12e", "Analysis", "Measures and plots of performance", _measures),
    Item("12f", "Analysis", "Updating of the model", _calibrated),
    Item("12g", "Analysis", "How predictions were calculated", _predictions),
    Item("13", "Class imbalance", "Methods against imbalance", _balance),
    Item("14", "Fairness", "How fairness was addressed", _fairness),
    Item("15", "Model output", "Output of the model; classes, and how thresholds were identified", _output),
    Item("16", "Training and evaluation", "Differences between development and evaluation data", _differences),
    Item("17", "Ethics", "Ethical approval and consent"),
    Item("18a", "Open science", "Funding"),
    Item("18b", "Open science", "Conflicts of interest"),
    Item("18c", "Open science", "Protocol"),
    Item("18d", "Open science", "Registration"),
    Item("18e", "Open science", "Sharing of data"),
    Item("18f", "Open science", "Sharing of code"),
    Item("19", "Involvement", "Involvement of patients and public"),
    Item("20a", "Results: participants", "Flow of participants", sentences.flow),
    Item("20b", "Results: participants", "Characteristics of the participants", claim.characteristics),
    Item("20c", "Results: participants", "Comparison of development and evaluation data", _differences),
    Item("21", "Results: development", "Participants and outcome events in each analysis", sentences.partitions),
    Item("22", "Results: specification", "Full model, so that new individuals can be assessed", _specification),
    Item("23a", "Results: performance", "Performance with intervals, also by group", sentences.metric_values),
    Item("23b", "Results: performance", "Differences in performance between clusters", _heterogeneity),
    Item("24", "Results: updating", "Results of updating", _calibrated),
    Item("25", "Interpretation", "Interpretation, also of fairness"),
    Item("26", "Limitations", "Limitations and their consequences"),
    Item("27a", "Usability", "Assessment and handling of missing or poor-quality input",
         lambda f: "unreadable files are refused, with the reason" if f.model else ""),
    Item("27b", "Usability", "Interaction of users with the input, and the expertise required"),
    Item("27c", "Usability", "Next steps for research and use"),
)  # fmt: skip
