"""Scale: what a score is called, which direction is better, and how its values are written."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.text import number, points


@dataclass(frozen=True)
class Scale:
    """How a score is named and written.

    Attributes
    ----------
    name
        As in a sentence: "macro F1".
    unit
        Of the score: "%" for a share, whose differences are in points; "nats"; "" for a plain number.
    higher_is_better
        Otherwise lower is.
    """

    name: str
    unit: str = "%"
    higher_is_better: bool = True

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the score that needs no name."""
        return self.name == "accuracy"

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1: times a difference, it is positive for better."""
        return 1 if self.higher_is_better else -1

    @property
    def factor(self) -> int:
        """From the score to the number that is written."""
        return 100 if self.unit == "%" else 1

    @property
    def title(self) -> str:
        """The name at the beginning of a sentence: "Accuracy", "AUROC"."""
        return self.name[:1].upper() + self.name[1:]

    @property
    def heading(self) -> str:
        """For a column or an axis: "accuracy, %", "log-loss, nats"."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    @property
    def difference_unit(self) -> str:
        """Of a column of differences: percentage points, nats, or none."""
        return "percentage points" if self.unit == "%" else self.unit

    def number(self, value: float) -> str:
        """Without the unit: "49.9", "1.234"; never "-0.0"."""
        return points(value) if self.unit == "%" else number(value, 3)

    def interval(self, ends: tuple[float, float]) -> str:
        """Without the unit: "48.0 to 51.8"."""
        return f"{self.number(ends[0])} to {self.number(ends[1])}"

    def value(self, value: float) -> str:
        """With the unit: "49.9 %"."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def difference(self, value: float) -> str:
        """With the unit: "0.7 points", "0.012 nats"."""
        return f"{self.number(value)} {'points' if self.unit == '%' else self.unit}".rstrip()

    @property
    def preface(self) -> str:
        """What a conclusion begins with: "" for accuracy, else "By macro F1: "."""
        if self.is_accuracy:
            return ""
        return f"By {self.name}: " if self.higher_is_better else f"By {self.name} (lower is better): "


ACCURACY = Scale("accuracy")
