"""`bakeoff paper`: methods, tables, references and a reproducibility checklist for a paper."""

from bakeoff.paper.writing import write_paper

__all__ = ["write_paper"]
