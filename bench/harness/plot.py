# SPDX-License-Identifier: MIT
"""The picture: a panel of horizontal bars for each figure, drawn by gnuplot."""

import shutil
import subprocess
from statistics import median

from harness.works import FIGURES, human

# One set of colours for light and dark backgrounds: the picture itself has none.
TEXT = "#7a8490"
OURS = "#e8590c"
PEER = "#8fa3b8"
RANGE = "#56616d"

WIDTH, MARGIN, NAMES, ROW, HEAD, FOOT = 940, 10, 176, 19, 30, 14


def panel(figure, rows, left, top, width, height, total_height):
    """The gnuplot commands for one panel; positions in pixels from the top left corner."""
    ranked = sorted((row for row in rows.items() if row[1]["values"]),
                    key=lambda row: median(row[1]["values"]), reverse=figure.more_is_better)
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
set label 1 "{figure.title}" at screen {left / WIDTH:.5f}, {1 - (top + HEAD / 2 - 1) / total_height:.5f} \
left tc rgb "{TEXT}" font ",12.5"
set xrange [0:{widest * 1.38:.9g}]
set yrange [{-len(ranked) + 0.5}:0.5]
set ytics ({", ".join(tics)}) scale 0 tc rgb "{TEXT}"
plot $data using 2:1:(0):2:($1-0.36):($1+0.36):5 with boxxyerror fs solid 1 noborder lc rgb variable, \
     $data using 3:1:($4-$3):(0) with vectors nohead lw 1.2 lc rgb "{RANGE}", \
     $data using ($2 > $4 ? $2 : $4):1:6 with labels left offset 0.6,0 tc rgb "{TEXT}"
"""


def draw(results, path):
    """Writes the picture as SVG; says why if it cannot."""
    if not shutil.which("gnuplot"):
        return "no picture: gnuplot is not installed"
    figures = [figure for figure in FIGURES
               if any(row["values"] for row in results["figures"].get(figure.name, {}).values())]
    if not figures:
        return "no picture: nothing was measured"
    width = (WIDTH - 3 * MARGIN) // 2
    heights = [HEAD + FOOT + ROW * sum(bool(row["values"]) for row in results["figures"][figure.name].values())
               for figure in figures]
    lines = [max(heights[i:i + 2]) for i in range(0, len(figures), 2)]
    total = sum(lines) + 2 * MARGIN
    script = f"""set terminal svg size {WIDTH},{total} dynamic enhanced font "sans-serif,12"
set output "{path}"
set multiplot
set border 0
unset key
unset xtics
"""
    for i, figure in enumerate(figures):
        left = MARGIN + (i % 2) * (width + MARGIN)
        top = MARGIN + sum(lines[:i // 2])
        script += panel(figure, results["figures"][figure.name], left, top, width, heights[i], total)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["gnuplot"], input=script + "unset multiplot\n", text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        return "no picture: gnuplot says " + done.stderr.strip()
    return f"picture: {path}"
