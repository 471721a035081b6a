#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks a CSV of sweep against Black and Scholes' formula, computed here, and that its picture is well-formed.

Usage: sweep_check.py CSV SVG
"""
import csv
import math
import sys
import xml.etree.ElementTree

SPOT, RATE = 100, 0.03


def below(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def call(strike, volatility, years):
    width = volatility * math.sqrt(years)
    d1 = (math.log(SPOT / strike) + RATE * years) / width + width / 2
    return SPOT * below(d1) - strike * math.exp(-RATE * years) * below(d1 - width)


def main():
    with open(sys.argv[1], newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    deviations = []
    for row in rows:
        formula = call(row["strike"], row["volatility"], row["years"])
        assert abs(formula - row["black_scholes"]) < 2e-6, (formula, row)
        assert row["paths"] >= 1000 and row["standard_error"] > 0, row
        deviations.append((row["price"] - formula) / row["standard_error"])
        assert abs(deviations[-1] - row["deviation"]) < 2e-3, row
        assert abs(deviations[-1]) < 5, row
    count = len(rows)
    assert count == 21 * 13 * 11 == len({(row["strike"], row["volatility"], row["years"]) for row in rows}), count
    mean = sum(deviations) / count
    square = sum(deviation**2 for deviation in deviations) / count
    # Of `count` normal numbers: each bound is five standard errors away.
    assert abs(mean) < 5 / math.sqrt(count), mean
    assert abs(square - 1) < 5 * math.sqrt(2 / count), square

    svg = xml.etree.ElementTree.parse(sys.argv[2]).getroot()
    circles = svg.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 21 * 13, len(circles)
    print(f"{count} prices, mean deviation {mean:+.3f}, mean square {square:.3f}")


main()
