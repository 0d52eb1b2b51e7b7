"""print_audit(): the results of a data check on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from bakeoff.audit.duplicates import MAX_DISTANCE
from bakeoff.audit.findings import Audit, Finding, ImageName, Severity
from bakeoff.terminal.lines import legible, print_text
from bakeoff.terminal.tables import shortened
from bakeoff.text import command

STYLES: dict[Severity, str] = {
    "leak": "bold red",
    "conflict": "red",
    "warning": "yellow",
    "note": "dim",
}

PAIRS_PRINTED = 5

LINES_IN_SHORT_FORM = 3


def print_audit(audit: Audit, console: Console, *, short: bool = False, notes: Sequence[str] = ()) -> None:
    """Print the findings, most severe first, all but the names of images wrapped to the width.

    Parameters
    ----------
    audit
        From `audit()`.
    console
        Readable from 80 columns on.
    short
        Without notes, pairs and advice: a few lines, or one if there are only notes.
    notes
        How the images were read, printed first; see `print_notes` for a log.
    """
    for note in notes:
        console.print(Text(f"note: {legible(note)}"))
    if short:
        _print_short(audit, console)
        return
    for finding in audit.findings:
        console.print(_headline(finding))
        for line in _examples(finding):
            console.print(Text(f"    {line}"), soft_wrap=True)  # a name stays whole, to be copied
        console.print(Padding(Text(finding.advice), (0, 0, 0, 2)))
    if any(pair.relation != "identical" for finding in audit.findings for pair in finding.pairs):
        meaning = f"~0.10: distance of two images, from 0 (same detail) to {MAX_DISTANCE} (the most listed)."
        console.print(Text(meaning, style="dim"))
    for limit in audit.limits:
        console.print(Text(limit, style="dim"))
    console.print(Text(total(audit)))


def print_notes(notes: Sequence[str], console: Console) -> None:
    """Print what a reader of results must know of how the images were read, such as what was not."""
    for note in notes:
        print_text(f"note: {note}", console)


def _print_short(audit: Audit, console: Console) -> None:
    serious = [finding for finding in audit.findings if finding.severity != "note"]
    for finding in serious[:LINES_IN_SHORT_FORM]:
        console.print(_headline(finding))
    if not serious:
        console.print(Text(total(audit)))
        return
    num_more = len(serious) - LINES_IN_SHORT_FORM
    others = f"and {num_more} more; " if num_more > 0 else ""
    check = legible(command("data", "check", audit.source))
    console.print(Text(f"{others}run `{check}` for details"), soft_wrap=True)


def _headline(finding: Finding) -> Text:
    style = STYLES[finding.severity]
    return Text.assemble((f"{finding.severity}: ", style), legible(finding.sentence))


def total(audit: Audit) -> str:
    """How many images were checked, and the numbers of findings."""
    checked = f"{audit.num_images:,} images checked"
    if not audit.findings:
        return f"{checked}: all checks passed"
    counts = [(severity, len(audit.of(severity))) for severity in STYLES]
    return f"{checked}: " + ", ".join(
        f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts if count
    )


def _examples(finding: Finding) -> list[str]:
    lines = []
    for pair in finding.pairs[:PAIRS_PRINTED]:
        sign = "=" if pair.relation == "identical" else f"~{pair.distance:.2f}"
        lines.append(f"{_name(pair.first)} {sign} {_name(pair.second)}")
    lines += [_name(image) for image in finding.images[:PAIRS_PRINTED]]
    num_printed, num_listed = min(PAIRS_PRINTED, len(lines)), len(finding.pairs) + len(finding.images)
    if num_listed > num_printed:
        lines.append(f"... {finding.count:,} images in total{_groups(finding)}")
    return lines


def _groups(finding: Finding) -> str:
    return f", in {finding.num_groups:,} groups" if finding.num_groups > 1 else ""


def _name(image: ImageName) -> str:
    return f"{_place(image.split, image.id)} [{shortened(legible(image.label), 10)}]"


def _place(split: str, image_id: str) -> str:
    name = legible(image_id)
    return name if name.startswith(f"{split}/") else f"{split} {name}"
