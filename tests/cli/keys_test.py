# SPDX-License-Identifier: MIT
"""keygen, authorize, help, and wrong command lines."""
import os
import stat

from support import DONE, FAILED, USAGE, Case, main, tool

KEY = r"[A-Za-z0-9+/]{43}="


class Keygen(Case):
    def test_it_makes_a_key_that_only_its_owner_reads(self):
        made = tool("keygen", "--name=ada", self.path("a", "b", "key"), env=self.plain_env())
        self.assert_ends(made, DONE, rf"\A{KEY} ada\n\Z")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("a", "b", "key")).st_mode), 0o600)
        shown = tool("keygen", "--show", self.path("a", "b", "key"), env=self.plain_env())
        self.assertEqual(shown.stdout, made.stdout)

    def test_it_finds_its_place(self):
        self.assert_ends(tool("keygen", env=self.plain_env()), DONE, rf"\A{KEY} \S+@\S+\n\Z")
        self.assertTrue(os.path.exists(self.path(".config/taskpool/key")))
        self.assert_ends(tool("keygen", env=self.plain_env(TASKPOOL_HOME=self.path("home"))), DONE)
        self.assertTrue(os.path.exists(self.path("home/key")))
        self.assert_ends(tool("keygen", env=self.plain_env(TASKPOOL_KEY=self.path("mine"))), DONE)
        self.assertTrue(os.path.exists(self.path("mine")))

    def test_it_overwrites_nothing(self):
        first = tool("keygen", self.path("key"), env=self.plain_env()).stdout
        self.assert_ends(tool("keygen", self.path("key"), env=self.plain_env()), FAILED, err="key")
        self.assertEqual(tool("keygen", "-s", self.path("key"), env=self.plain_env()).stdout, first)

    def test_it_refuses_bad_names_and_loose_files(self):
        for name in ("", "a b", "x" * 64):
            self.assert_ends(tool("keygen", "--name", name, self.path("key"), env=self.plain_env()), FAILED, err=".")
            self.assertFalse(os.path.exists(self.path("key")))
        tool("keygen", self.path("key"), env=self.plain_env())
        os.chmod(self.path("key"), 0o644)
        self.assert_ends(tool("keygen", "--show", self.path("key"), env=self.plain_env()), FAILED, err="key")


class Authorize(Case):
    def line(self, name):
        return tool("keygen", "--name", name, self.path(name), env=self.plain_env()).stdout.split()

    def test_it_adds_a_line_once(self):
        key, name = self.line("ada")
        env = self.plain_env(TASKPOOL_AUTHORIZED_KEYS=self.path("list"))
        self.assert_ends(tool("authorize", "driver", key, name, env=env), DONE)
        self.assert_ends(tool("authorize", "driver", key, name, env=env), DONE)
        self.assert_ends(tool("authorize", "admin", key, name, "--file", self.path("list"), env=env), DONE)
        with open(self.path("list")) as lines:
            self.assertEqual(lines.read(), f"driver {key} ada\nadmin {key} ada\n")

    def test_it_refuses_what_is_no_role_or_key(self):
        key, _ = self.line("ada")
        env = self.plain_env()
        self.assert_ends(tool("authorize", "king", key, "ada", env=env), USAGE, err="role")
        self.assert_ends(tool("authorize", "driver", "A" * 43 + "=", "ada", env=env), FAILED, err="key")
        self.assert_ends(tool("authorize", "driver", "abc", "ada", env=env), USAGE, err="key")
        self.assert_ends(tool("authorize", "driver", key, "a b", env=env), FAILED, err="name")
        self.assert_ends(tool("authorize", "driver", key, env=env), USAGE, err="missing")


class Help(Case):
    commands = ["demo", "keygen", "authorize", "run", "status", "top", "why", "node list", "node drain"]

    def test_every_command_helps(self):
        listing = self.assert_ends(tool("--help", env=self.plain_env()), DONE, r"\AUsage: taskpool COMMAND").stdout
        for command in self.commands:
            self.assertRegex(listing, rf"(?m)^  {command.split()[0]} +\w")
            helped = self.assert_ends(tool(*command.split(), "--help", env=self.plain_env()), DONE,
                                      rf"\AUsage: taskpool {command} ").stdout
            self.assertRegex(helped, r"(?i)exit\s+code")
        self.assertEqual(tool("help", "why", env=self.plain_env()).stdout, tool("why", "--help").stdout)
        self.assertEqual(tool("help", env=self.plain_env()).stdout, listing)
        self.assert_ends(tool("node", "--help", env=self.plain_env()), DONE, "(?s)Usage: taskpool node.*drain")

    def test_the_version_is_said(self):
        self.assert_ends(tool("--version"), DONE, r"\Ataskpool \d+\.\d+\.\d+\n\Z")
        self.assert_ends(tool("status", "--version"), DONE, r"\Ataskpool status \d")

    def test_wrong_command_lines_end_with_64(self):
        wrong = [[], ["fly"], ["help", "fly"], ["status", "--fly"], ["status", "extra"], ["status", "--timeout=5"],
                 ["status", "--json=perhaps"], ["top", "--interval=1ms"], ["why"], ["why", "a", "b"], ["node"],
                 ["node", "fly"], ["node", "drain"], ["node", "drain", "--wait=soon", "n"], ["run"],
                 ["run", "--loopback=0", "true"], ["run", "--loopback=65", "true"], ["run", "--workers=2", "true"],
                 ["run", "--loopback=2", "--coordinator=tcp://h:1", "true"], ["run", "true"],
                 ["run", "--coordinator=local:4", "true"], ["demo", "--nodes=1"], ["demo", "extra"], ["keygen", "a", "b"],
                 ["status"], ["status", "--coordinator=local"], ["status", "--coordinator=tcp://host"]]
        for arguments in wrong:
            with self.subTest(arguments):
                self.assert_ends(tool(*arguments, env=self.plain_env()), USAGE, err="taskpool")
        self.assert_ends(tool("status", env=self.plain_env(TASKPOOL="local:4")), USAGE, err="TASKPOOL")


if __name__ == "__main__":
    main()
