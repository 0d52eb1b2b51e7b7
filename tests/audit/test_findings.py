"""Findings as plain values."""

from __future__ import annotations

import dataclasses
import json

from hypothesis import given
from hypothesis import strategies as st
from tests.audit.planting import Source, reencoded

from bakeoff.audit import Audit, Finding, audit
from bakeoff.audit.findings import SEVERITIES, Severity, by_severity


def test_an_audit_goes_through_json_whole(source: Source) -> None:
    source.plant_copy(("train", 1), "test", reencoded)
    extra = Finding("conflict", "elsewhere", 1, "Sentence.", "Advice.")
    result = audit(source.load(), other_findings=(extra,))
    assert [finding.severity for finding in result.findings[:2]] == ["leak", "conflict"]
    read = json.loads(json.dumps(result.to_dict()))
    assert read == json.loads(json.dumps(dataclasses.asdict(result)))
    assert read["findings"][0]["pairs"][0]["second"] == {
        "split": "test",
        "id": "copy-20-test.png",
        "label": source.lines["train"][1][1],
    }
    assert not result.is_clean


def finding(severity: Severity, kind: str) -> Finding:
    return Finding(severity, kind, 1, "Sentence.", "Advice.")


@given(st.lists(st.sampled_from(SEVERITIES), max_size=12))
def test_the_severest_come_first_and_others_stay_in_their_order(severities: list[Severity]) -> None:
    found = by_severity([finding(severity, str(place)) for place, severity in enumerate(severities)])
    assert [entry.severity for entry in found] == [s for s in SEVERITIES for _ in range(severities.count(s))]
    audit = Audit("digits", "f", 9, found, ())
    for severity in SEVERITIES:
        places = [int(entry.kind) for entry in audit.of(severity)]
        assert places == [place for place, other in enumerate(severities) if other == severity]
    assert audit.is_clean == (set(severities) <= {"note"})
