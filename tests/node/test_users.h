/* SPDX-License-Identifier: MIT */
/** @file
 * Users for the processes of one test program alone: no other node has some of them.
 */
#ifndef TESTS_NODE_TEST_USERS_H
#define TESTS_NODE_TEST_USERS_H

#include <sys/types.h>
#include <unistd.h>

enum { TEST_USERS = 64 };

static inline uid_t test_first_user(void)
{
    return 200000000U + (uid_t)getpid() * TEST_USERS;
}

#endif
