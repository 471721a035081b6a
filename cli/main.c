/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "trust/keys.h"

static const struct subcommand commands[] = {
    {"demo", command_demo, "ten seconds on a throw-away cluster, to see what it does"},
    {"keygen", command_keygen, "make a key, or show its public half"},
    {"authorize", command_authorize, "trust somebody's key"},
    {"run", command_run, "run a program on a cluster"},
    {"status", command_status, "the coordinator, its nodes, its sessions"},
    {"top", command_top, "the same again every second"},
    {"why", command_why, "why a task waits, or what runs it"},
    {"node", command_node, "list nodes, drain one"},
    {NULL, NULL, NULL}};

int main(int argc, char **argv)
{
    static char name[] = "taskpool";
    if (argc > 0)
        argv[0] = name;
    if (!tp__trust_start())
        return command_fail("taskpool", "libsodium cannot start");
    return command_choose(commands, " taskpool(1) has it all.", argc, argv);
}
