"""All checks over one set of inputs, and their sum as one JSON object."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from tests.checker import cards, diary, ledger, money, order, rows, views, words
from tests.checker.fold import FINAL, Case, fold
from tests.checker.inputs import CASES, Finding, Inputs, Kind

# Under which figure a finding is counted.
FIGURES: dict[str, tuple[Kind, ...]] = {
    "lost": ("lost_row", "missing_card"),
    "duplicated": ("doubled_line",),
    "doors_disagree": ("stale_view", "foreign_row"),
    "anomalies": ("anomaly", "swapped_pair", "cent_off"),
    "stuck": ("stuck",),
}


def findings(inputs: Inputs) -> list[Finding]:
    cases = fold(inputs.log.first)
    found = [
        *order.check(inputs.log),
        *cards.check(inputs.log, inputs.tables),
        *diary.check(inputs.diary, inputs.log, inputs.cases),
        *rows.check(inputs.log, inputs.tables),
        *views.check(inputs.log, inputs.tables, inputs.doors, cases),
        *words.check(inputs, cases),
        *money.check(inputs.log, inputs.tables, cases),
        *ledger.check(inputs.log, inputs.tables),
        *_at_rest(inputs, cases),
    ]
    return list(dict.fromkeys(found))


def verdict(inputs: Inputs) -> dict[str, Any]:
    """With an empty list of findings all is well."""
    cases = fold(inputs.log.first)
    found = findings(inputs)
    kinds = Counter(finding.kind for finding in found)
    needs = [need for case in cases.values() for need in case.needs.values()]
    return {
        **{figure: sum(kinds[kind] for kind in counted) for figure, counted in FIGURES.items()},
        "ledger_sum_cents": ledger.total(inputs.tables),
        "crossings": sum(row["crossings"] for row in inputs.tables.of("tracking", "cases")),
        "events": sum(1 for record in inputs.log.first if record.topic == CASES),
        "cases": len(cases),
        "needs": dict(Counter(need.outcome for need in needs)),
        "declined_then_accepted": sum(need.accepted_after_decline for need in needs),
        "billed": sum(map(len, money.standing(inputs.log, "billing.bill_prepared", "bill_id").values())),
        "invoiced_cents": sum(event.body["gross_cents"] for event in inputs.log.of("billing.invoice_issued")),
        "payable_cents": sum(event.body["gross_cents"] for event in inputs.log.of("billing.bill_prepared")),
        "by_kind": dict(kinds),
        "findings": [asdict(finding) for finding in found],
    }


def _at_rest(inputs: Inputs, cases: dict[str, Case]) -> list[Finding]:
    """When the play was announced, it has ended: every need is in a final state."""
    if inputs.cases is None:
        return []
    needs = [need for case in cases.values() for need in case.needs.values()]
    return [Finding("stuck", need.case, f"need {need.id} is still {need.state}") for need in needs if need.state not in FINAL]
