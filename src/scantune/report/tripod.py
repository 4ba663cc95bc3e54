"""The 27 items of TRIPOD+AI with their parts."""

from __future__ import annotations

from scantune.report import claim
from scantune.report import words_of as said
from scantune.report.facts import RunFacts
from scantune.report.items import Item
from scantune.tasks.catalogue import part


def _balance(facts: RunFacts) -> str:
    sampler, loss = facts.setting("train", "sampler"), facts.model.get("loss")
    return f"sampler {sampler}; loss {loss}" if sampler and loss else ""


def _fairness(facts: RunFacts) -> str:
    groups = said.subgroups(facts)
    return f"figures, gaps to the rest and coverage by {groups}" if groups else ""


def _output(facts: RunFacts) -> str:
    return part(facts.task_name, "words").OUTPUT if facts.task_name else ""


def _calibrated(facts: RunFacts) -> str:
    held = facts.metrics.get("calibration") or {}
    return f"recalibrated on validation ({held['chosen']})" if held.get("chosen") else ""


def _differences(facts: RunFacts) -> str:
    return "see the cohort table and the external cohorts" if facts.audit.get("sides") else ""


def _heterogeneity(facts: RunFacts) -> str:
    groups = said.subgroups(facts)
    return f"figures by {groups}" if groups else ""


def _analysis(facts: RunFacts) -> str:
    held = said.sides(facts)
    return f"{held}; {said.split(facts)}" if held else ""


def _measures(facts: RunFacts) -> str:
    drawn = ", ".join(name.replace("_", " ") for name in facts.figures)
    return said.measures(facts) + (f"; drawn: {drawn}" if drawn else "")


def _specification(facts: RunFacts) -> str:
    network = said.network(facts)
    return f"{network}; weights and all settings are kept with the run" if network else ""


def _predictions(facts: RunFacts) -> str:
    return "by the stored model, with the preprocessing it was trained with" if facts.model else ""


def _building(facts: RunFacts) -> str:
    network = said.network(facts)
    return "; ".join(part for part in (network, said.training(facts), claim.final(facts)) if part) if network else ""


TRIPOD = (
    Item("1", "Title", "Says that a prediction model is developed or evaluated, for whom and what",
         lambda f: said.task(f) if f.task else ""),
    Item("2", "Abstract", "Summary by TRIPOD+AI for abstracts"),
    Item("3a", "Background", "Healthcare context and why the model is needed"),
    Item("3b", "Background", "Target population and place in the care pathway, users"),
    Item("3c", "Background", "Known health inequalities between groups"),
    Item("4", "Objectives", "Objectives: development, evaluation or both"),
    Item("5a", "Data", "Sources of the data, for development and evaluation", said.cohort),
    Item("5b", "Data", "Dates of the data"),
    Item("6a", "Participants", "Setting, number and place of centres"),
    Item("6b", "Participants", "Eligibility", said.left_out),
    Item("6c", "Participants", "Treatments and how they were handled"),
    Item("7", "Data preparation", "Preparation and quality checks, alike for all groups", said.preprocessing),
    Item("8a", "Outcome", "The outcome, its time horizon, how it was assessed"),
    Item("8b", "Outcome", "Who assessed it, where that takes judgement", claim.readers),
    Item("8c", "Outcome", "Blinding of its assessment"),
    Item("9a", "Predictors", "Choice of the predictors before modelling",
         lambda f: "the image alone" if f.settings.get("input") else ""),
    Item("9b", "Predictors", "Definition of the predictors", said.preprocessing),
    Item("9c", "Predictors", "Who assessed them, where that takes judgement",
         lambda f: "nobody: the network reads the image" if f.model else ""),
    Item("10", "Sample size", "How the sample size was chosen and whether it suffices", claim.sides),
    Item("11", "Missing data", "How missing data were handled", claim.missing),
    Item("12a", "Analysis", "How data were used for development and evaluation", _analysis),
    Item("12b", "Analysis", "How predictors were handled", said.preprocessing),
    Item("12c", "Analysis", "Type of model, building steps, tuning, internal validation", _building),
    Item("12d", "Analysis", "Differences between clusters such as centres", _heterogeneity),
    Item("12e", "Analysis", "Measures and plots of performance", _measures),
    Item("12f", "Analysis", "Updating of the model", _calibrated),
    Item("12g", "Analysis", "How predictions were calculated", _predictions),
    Item("13", "Class imbalance", "Methods against imbalance", _balance),
    Item("14", "Fairness", "How fairness was addressed", _fairness),
    Item("15", "Model output", "What the model puts out; classes, and how thresholds were found", _output),
    Item("16", "Training and evaluation", "Differences between development and evaluation data", _differences),
    Item("17", "Ethics", "Ethical approval and consent"),
    Item("18a", "Open science", "Funding"),
    Item("18b", "Open science", "Conflicts of interest"),
    Item("18c", "Open science", "Protocol"),
    Item("18d", "Open science", "Registration"),
    Item("18e", "Open science", "Sharing of data"),
    Item("18f", "Open science", "Sharing of code"),
    Item("19", "Involvement", "Involvement of patients and public"),
    Item("20a", "Results: participants", "Flow of participants", said.flow),
    Item("20b", "Results: participants", "Characteristics of the participants", claim.characteristics),
    Item("20c", "Results: participants", "Comparison of development and evaluation data", _differences),
    Item("21", "Results: development", "Participants and outcome events in each analysis", said.sides),
    Item("22", "Results: specification", "The full model, so that others can use it", _specification),
    Item("23a", "Results: performance", "Performance with intervals, also by group", said.figures),
    Item("23b", "Results: performance", "Differences in performance between clusters", _heterogeneity),
    Item("24", "Results: updating", "Results of updating", _calibrated),
    Item("25", "Interpretation", "Interpretation, also of fairness"),
    Item("26", "Limitations", "Limitations and their consequences"),
    Item("27a", "Usability", "Input of poor quality or missing: how it is judged and handled",
         lambda f: "files that cannot be read are refused with the reason" if f.model else ""),
    Item("27b", "Usability", "Whether users handle the input, and what expertise they need"),
    Item("27c", "Usability", "Next steps for research and use"),
)  # fmt: skip
