# SPDX-License-Identifier: MIT
"""The picture: a panel of horizontal bars for each figure, drawn by gnuplot.

Contenders that do not defer (kind "at once") are left out, and the picture says so: their bars would hide all others."""

import shutil
import subprocess
from statistics import median

# One set of colours for light and dark backgrounds: the picture itself has none.
TEXT = "#7a8490"
OURS = "#e8590c"
PEER = "#8fa3b8"
RANGE = "#56616d"

WIDTH, MARGIN, NAMES, ROW, HEAD, FOOT = 940, 10, 176, 19, 44, 12
NOTE = 40
UNITS = {"tasks/s": "tasks a second", "us": "microseconds", "ms": "milliseconds", "B": "bytes", "messages/s": "messages a second", "s": "seconds", "%": "percent"}


def shown(rows):
    return {name: row for name, row in rows.items() if row["values"] and row["kind"] != "at once"}


def panel(figure, rows, human, left, top, width, total_height):
    """The gnuplot commands for one panel; positions in pixels from the top left corner."""
    ranked = sorted(rows.items(), key=lambda row: median(row[1]["values"]),
                    reverse=figure.more_is_better)
    data, tics = [], []
    for place, (name, row) in enumerate(ranked):
        value = median(row["values"])
        colour = int((OURS if name == "taskpool" else PEER)[1:], 16)
        low, high = min(row["values"]), max(row["values"])
        data += [f'{-place} {max(value, 0):.9g} {low:.9g} {high:.9g} {colour} "{human(value, figure.unit)}"']
        style = f"{{/:Bold {row['label']}}}" if name == "taskpool" else row["label"]
        tics += [f'"{style}" {-place}']
    widest = max(max(row["values"]) for _, row in ranked)
    widest = widest if widest > 0 else 1
    bottom = top + HEAD + ROW * len(ranked)
    return f"""
$data << EOD
{chr(10).join(data)}
EOD
set lmargin at screen {(left + NAMES) / WIDTH:.5f}
set rmargin at screen {(left + width) / WIDTH:.5f}
set tmargin at screen {1 - (top + HEAD) / total_height:.5f}
set bmargin at screen {1 - bottom / total_height:.5f}
set label 1 "{{/:Bold {figure.title}}}" at screen {left / WIDTH:.5f}, {1 - (top + 12) / total_height:.5f} \
left tc rgb "{TEXT}" font ",12"
set label 2 "{UNITS.get(figure.unit, figure.unit)}, {'more' if figure.more_is_better else 'less'} is better" \
at screen {left / WIDTH:.5f}, {1 - (top + 29) / total_height:.5f} left tc rgb "{TEXT}" font ",11"
set xrange [0:{widest * 1.3:.9g}]
set yrange [{-len(ranked) + 0.5}:0.5]
set ytics ({", ".join(tics)}) scale 0 tc rgb "{TEXT}"
plot $data using 2:1:(0):2:($1-0.36):($1+0.36):5 with boxxyerror fs solid 1 noborder lc rgb variable, \
     $data using 3:1:($4-$3):(0) with vectors nohead lw 1.2 lc rgb "{RANGE}", \
     $data using ($2 > $4 ? $2 : $4):1:6 with labels left offset 0.6,0 tc rgb "{TEXT}"
"""


def note(results, text, total_height):
    lines = [f"Bars: medians of {results['runs']} runs; lines: from the least to the most. {results['processors']} "
             f"processors, {results['processor']}.",
             text]
    return "".join(f'set label {3 + i} "{line}" at screen {MARGIN / WIDTH:.5f}, '
                   f'{(NOTE - 8 - 16 * i) / total_height:.5f} left noenhanced tc rgb "{TEXT}" font ",11"\n'
                   for i, line in enumerate(lines))


def draw(results, path, figures, human, text):
    """Writes the picture as SVG, with a line of text below; says why if it cannot."""
    if not shutil.which("gnuplot"):
        return "no picture: gnuplot is not installed"
    panels = [(figure, shown(results["figures"].get(figure.name, {}))) for figure in figures]
    panels = [(figure, rows) for figure, rows in panels if rows]
    if not panels:
        return "no picture: nothing was measured"
    width = (WIDTH - 4 * MARGIN) // 2
    heights = [HEAD + FOOT + ROW * len(rows) for _, rows in panels]
    lines = [max(heights[i:i + 2]) for i in range(0, len(panels), 2)]
    total = sum(lines) + 2 * MARGIN + NOTE
    script = f"""set terminal svg size {WIDTH},{total} dynamic enhanced font "sans-serif,12"
set output "{path}"
set multiplot
set border 0
unset key
unset xtics
"""
    for i, (figure, rows) in enumerate(panels):
        left = MARGIN + (i % 2) * (width + 2 * MARGIN)
        top = MARGIN + sum(lines[:i // 2])
        if i == len(panels) - 1:
            script += note(results, text, total)
        script += panel(figure, rows, human, left, top, width, total)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["gnuplot"], input=script + "unset multiplot\n", text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        return "no picture: gnuplot says " + done.stderr.strip()
    return f"picture: {path}"
