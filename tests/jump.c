/* SPDX-License-Identifier: MIT */
/* Compiled without -fstack-clash-protection, as code that others have compiled may be. */
#include "jump.h"

__attribute__((noinline)) int64_t use_large_frame(int64_t value)
{
    volatile char block[3U << 30];
    __asm__ volatile("" : : "r"(block) : "memory"); /* all of it is there */
    block[0] = (char)value;
    return block[0];
}
