# SPDX-License-Identifier: MIT
"""The manual pages: well-formed, and about what there is."""
import glob
import os
import re
import shutil
import subprocess
import unittest

from support import SOURCE, Case, main, program

PAGES = sorted(glob.glob(os.path.join(SOURCE, "docs", "man", "*.[158]")))


def page(name):
    with open(os.path.join(SOURCE, "docs", "man", name)) as text:
        return text.read()


def options_of(command):
    """Long options of a program, from its help; with the one that takes a value, its name alone."""
    shown = subprocess.run([*command, "--help"], check=True, text=True, capture_output=True).stdout
    return set(re.findall(r"(?m)^ +(?:-\w, | {4})--([a-z-]+)", shown)) - {"help", "usage", "version"}


class Pages(Case):
    def test_there_are_five(self):
        self.assertEqual([os.path.basename(path) for path in PAGES],
                         ["taskpool-coordinator.8", "taskpool-coordinator.conf.5", "taskpool-node.8",
                          "taskpool-node.conf.5", "taskpool.1"])

    @unittest.skipUnless(shutil.which("man"), "man is missing (Debian's package man-db)")
    def test_man_reads_them_without_a_warning(self):
        for path in PAGES:
            shown = subprocess.run(["man", "-l", "--warnings", "-E", "UTF-8", "-Tutf8", path], text=True,
                                   capture_output=True, env={**os.environ, "MANWIDTH": "100"})
            self.assertEqual((shown.returncode, shown.stderr), (0, ""), path)
            self.assertRegex(re.sub(".\b", "", shown.stdout), "SEE ALSO")

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is missing (Debian's package mandoc)")
    def test_mandoc_has_no_warning(self):
        for path in PAGES:
            lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], text=True, capture_output=True)
            self.assertEqual(lint.stdout, "", path)

    def test_each_option_of_the_tool_is_described(self):
        text = page("taskpool.1").replace(r"\-", "-")
        for command in ("demo", "keygen", "authorize", "run", "status", "top", "why", "node list", "node drain"):
            for option in options_of([program("taskpool"), *command.split()]):
                self.assertRegex(text, rf"Fl -{option}\b", command)

    def test_each_setting_of_the_daemons_is_described_and_no_other(self):
        for name in ("coordinator", "node"):
            options = options_of([program(f"taskpool-{name}")])
            described = set(re.findall(r"(?m)^\.It Cm ([a-z-]+)$", page(f"taskpool-{name}.conf.5")))
            only_options = {"config", "ready-fd"}
            self.assertEqual(described | only_options, options, name)
            for option in only_options:
                self.assertIn(f"Fl -{option} ", page(f"taskpool-{name}.8"))

    def test_their_standard_values_are_said(self):
        said = 0
        for name in ("coordinator", "node"):
            shown = subprocess.run([program(f"taskpool-{name}"), "--help"], check=True, text=True,
                                   capture_output=True).stdout
            text = page(f"taskpool-{name}.conf.5")
            for option in re.split(r"(?= --[a-z])", re.sub(r"\s+", " ", shown)):
                setting = re.match(r" --([a-z-]+)", option)
                standard = re.search(r"\(default: ([^ $)]+)\)", option)
                if setting and standard and setting[1] != "config":
                    part = text.split(f".It Cm {setting[1]}\n")[1].split("\n.It ")[0]
                    self.assertIn(standard[1], part, setting[1])
                    said += 1
        self.assertGreater(said, 10)


if __name__ == "__main__":
    main()
