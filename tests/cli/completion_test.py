# SPDX-License-Identifier: MIT
"""Completion in bash and zsh."""
import os
import re
import shutil
import subprocess
import unittest

from support import SOURCE, Case, main, program

BASH = os.path.join(SOURCE, "cli", "completion", "taskpool.bash")
ZSH = os.path.join(SOURCE, "cli", "completion", "taskpool.zsh")


class Bash(Case):
    def setUp(self):
        super().setUp()
        # a cluster whose nodes have names that a shell must not run
        with open(self.path("taskpool"), "w") as fake:
            fake.write("#!/bin/sh\ncase \"$1 $2\" in\n"
                       f"'node list') printf 'node1\\nnode2\\n$(touch {self.path('run')})\\n';;\n"
                       "'status --json') printf '  \"session\": \"0123abcdffffffffffffffffffffffff\",\\n';;\nesac\n")
        os.chmod(self.path("taskpool"), 0o755)

    def complete(self, *words):
        """What the last word can become."""
        script = f'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _taskpool; printf "%s\\n" "${{COMPREPLY[@]}}"'
        env = {**os.environ, "PATH": self.folder + ":" + os.environ["PATH"]}
        done = subprocess.run(["bash", "-c", script, BASH, *words], text=True, capture_output=True, cwd=self.folder, env=env)
        self.assertEqual(done.stderr, "")
        return [line for line in done.stdout.split("\n") if line]

    def test_bash_reads_it(self):
        subprocess.run(["bash", "-n", BASH], check=True)

    def test_commands(self):
        self.assertEqual(self.complete("taskpool", "s"), ["status"])
        self.assertEqual(set(self.complete("taskpool", "")), {
            "demo", "keygen", "authorize", "run", "status", "top", "why", "node", "help", "--help", "--version"})
        self.assertEqual(self.complete("taskpool", "node", ""), ["list", "drain", "--help"])
        self.assertEqual(self.complete("taskpool", "help", "au"), ["authorize"])

    def test_options_are_those_that_there_are(self):
        for command in ("demo", "keygen", "authorize", "run", "status", "top", "why", "node list", "node drain"):
            offered = {word.strip().rstrip("=") for word in self.complete("taskpool", *command.split(), "-")}
            shown = subprocess.run([program("taskpool"), *command.split(), "--help"], text=True, check=True,
                                   capture_output=True).stdout
            self.assertEqual(offered, set(re.findall(r"(?m)^ +(?:-\S, | {4})(--[a-z-]+)", shown)) - {"--usage"}, command)

    def test_arguments(self):
        self.assertEqual(self.complete("taskpool", "authorize", "d"), ["driver"])
        self.assertEqual(self.complete("taskpool", "node", "drain", "n"), ["node1", "node2"])
        self.assertEqual(self.complete("taskpool", "node", "drain", "--key", "=", "f", "node2"), ["node2"])
        self.assertEqual(self.complete("taskpool", "why", "01"), ["0123abcd/"])

    def test_what_a_cluster_says_is_not_run(self):
        self.assertEqual(len(self.complete("taskpool", "node", "drain", "")), 3)
        self.assertFalse(os.path.exists(self.path("run")))

    def test_files(self):
        os.makedirs(self.path("keys"))
        for words in (["status", "--key", "="], ["status", "--key", "=", "ke"], ["status", "-k", "ke"], ["keygen", "ke"],
                      ["run", "true", "ke"], ["run", "--loopback", "=", "2", "true", "ke"]):
            self.assertIn("keys", self.complete("taskpool", *words), words)


@unittest.skipUnless(shutil.which("zsh"), "zsh is missing")
class Zsh(Case):
    def test_zsh_reads_it(self):
        subprocess.run(["zsh", "-n", ZSH], check=True)


if __name__ == "__main__":
    main()
