# SPDX-License-Identifier: MIT
"""The table."""

from statistics import median

from harness.works import FIGURES, best_peer, human

DISTURBED_PERCENT = 5
DEFERRING = ("promise", "counter", "channel")


def judged(figure, rows, results):
    """(in words, whether the bar was reached or None) for ours in this figure."""
    ours = rows.get("taskpool")
    if not ours or not ours["values"] or results["others_median_percent"] > DISTURBED_PERCENT or results["quick"]:
        return figure.bar, None
    value = median(ours["values"])
    if figure.at_most is not None:
        return figure.bar, value <= figure.at_most
    name = best_peer(figure, rows, DEFERRING) if figure.peer == "best" else figure.peer
    if not name or not rows.get(name, {}).get("values"):
        return figure.bar, None
    if figure.peer == "best" and not results["complete"]:
        return figure.bar + " (not all were measured)", None
    return figure.bar, figure.advantage(value, median(rows[name]["values"])) >= 1


def table(results):
    """The whole table as text."""
    lines = []
    for figure in FIGURES:
        rows = results["figures"].get(figure.name)
        if not rows:
            continue
        more = "more" if figure.more_is_better else "less"
        lines += [f"{figure.name}: {figure.title} ({figure.unit}, {more} is better)"]
        ours = rows.get("taskpool", {}).get("values")
        ranked = sorted((row for row in rows.items() if row[1]["values"]),
                        key=lambda row: median(row[1]["values"]), reverse=figure.more_is_better)
        lines += [f"    {'':26}{'median':>13}{'min':>13}{'max':>13}{'ours/it':>9}  each task has"]
        for name, row in ranked:
            values = row["values"]
            advantage = figure.advantage(median(ours), median(values)) if ours and name != "taskpool" else None
            columns = "".join(f"{human(value, figure.unit):>13}" for value in (median(values), min(values), max(values)))
            ratio = f"{advantage:.2f}" if advantage else ""
            what = row["does"] if row["kind"] == "channel" else f"{row['kind']}: {row['does']}"
            failed = f" ({row['failures']} runs failed)" if row["failures"] else ""
            mark = ">" if name == "taskpool" else " "
            lines += [f"  {mark} {row['label']:26}{columns}{ratio:>9}  {what}{failed}"]
        for name, row in rows.items():
            if not row["values"]:
                lines += [f"    {row['label']:26}  failed: {row['error']}"]
        if ours:
            for kinds, words in ((DEFERRING, "best peer that defers"), (("promise",), "best peer with a promise")):
                best = best_peer(figure, rows, kinds)
                ratio = figure.advantage(median(ours), median(rows[best]["values"])) if best else None
                if ratio:
                    lines += [f"    ours to the {words} ({rows[best]['label']}): {ratio:.2f}"]
            bar, reached = judged(figure, rows, results)
            verdict = "reached" if reached else "not judged" if reached is None else "NOT reached"
            lines += [f"    bar: {bar}: {verdict}"]
        lines += [""]
    for name, reason in results["absent"].items():
        lines += [f"absent: {name}: {reason}"]
    lines += [f"{results['runs']} runs each, in turn, on {results['processors']} processors ({results['processor']}); "
              f"others took {results['others_median_percent']:.0f} % of their time in the median run, "
              f"{results['others_max_percent']:.0f} % in the worst"]
    if results["others_median_percent"] > DISTURBED_PERCENT:
        lines += ["The machine was not quiet: nothing here can be judged. Measure again."]
    return "\n".join(lines)
