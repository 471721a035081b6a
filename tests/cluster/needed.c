/* SPDX-License-Identifier: MIT */
/* A shared library that is where the driver runs, and on no node. */
int needed_number(void);
int needed_number(void)
{
    return 0;
}
