"""`scantune check`: a cohort looked at before any training; on the terminal, as a page, as JSON."""

from scantune.preprocess.check.findings import check
from scantune.preprocess.check.page import write_check
from scantune.preprocess.check.terminal import print_check

__all__ = ["check", "print_check", "write_check"]
