"""The report of a run as one page, its model card and the checklists of two reporting guidelines.

``report.build(facts, path)`` writes one HTML file that fetches nothing and runs nothing; ``report.model_card`` the card
beside it. Both are byte-identical for the same facts: no time stamp, no path of a machine.
"""

from scantune.report.card import model_card
from scantune.report.facts import Mistake, Picture, RunFacts
from scantune.report.page import banners, build

__all__ = ["Mistake", "Picture", "RunFacts", "banners", "build", "model_card"]
