/* SPDX-License-Identifier: MIT */
#include "symbolizer.h"

#include "base/sanitized.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char mark[] = "--symbolize";

void symbolizer_fill(struct symbolizer_arguments *arguments, uint64_t load_base, const struct tp__worker_crash *record)
{
    static char name[] = "taskpool-node";
    size_t count = 0;
    arguments->pointers[count++] = name;
    arguments->pointers[count++] = (char *)(uintptr_t)mark;
    for (uint32_t i = 0; i <= record->frame_count && i <= TP__WORKER_FRAMES_LIMIT; i++) {
        (void)snprintf(arguments->numbers[i], sizeof arguments->numbers[i], "%" PRIx64,
                       i == 0 ? load_base : record->frames[i - 1]);
        arguments->pointers[count++] = arguments->numbers[i];
    }
    arguments->pointers[count] = NULL;
}

/* ---- the process ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* clang writes no table of addresses, without which dwfl_module_getsrc of this age finds nothing: then each unit is
 * asked. */
static const char *source_of(Dwfl_Module *module, uint64_t address, int *number)
{
    Dwfl_Line *source = dwfl_module_getsrc(module, address);
    if (source)
        return dwfl_lineinfo(source, NULL, number, NULL, NULL, NULL);
    Dwarf_Addr bias;
    for (Dwarf_Die *unit = NULL; (unit = dwfl_module_nextcu(module, unit, &bias));) {
        if (dwarf_haspc(unit, address - bias) <= 0)
            continue;
        Dwarf_Line *line = dwarf_getsrc_die(unit, address - bias);
        return line && dwarf_lineno(line, number) == 0 ? dwarf_linesrc(line, NULL, NULL) : NULL;
    }
    return NULL;
}

static void print_frame(Dwfl_Module *module, uint64_t address, bool is_call)
{
    char line[SYMBOLIZER_FRAME_BYTES];
    GElf_Addr start = 0, end = 0;
    (void)dwfl_module_info(module, NULL, &start, &end, NULL, NULL, NULL, NULL);
    /* The address of a return may be the first one behind the line, or even the function, of the call. */
    const GElf_Addr inside = is_call && address > 0 ? address - 1 : address;
    if (inside < start || inside >= end) {
        printf("0x%" PRIx64 " (in a shared library)\n", address);
        return;
    }
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char *function = dwfl_module_addrinfo(module, inside, &offset, &symbol, NULL, NULL, NULL);
    int number = 0;
    const char *file = source_of(module, inside, &number);
    const uint64_t behind = offset + (address - inside);
    if (function && file)
        (void)snprintf(line, sizeof line, "%s (%s:%d)", function, base_name(file), number);
    else if (function)
        (void)snprintf(line, sizeof line, "%s+0x%" PRIx64, function, behind);
    else
        (void)snprintf(line, sizeof line, "0x%" PRIx64, address - start);
    printf("%s\n", line);
}

static int symbolize(uint64_t load_base, const uint64_t *frames, size_t count)
{
    static char *no_path;
    static const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_linux_proc_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .debuginfo_path = &no_path,
    };
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (!dwfl)
        return 1;
    Dwfl_Module *module = dwfl_report_elf(dwfl, "program", "program", STDIN_FILENO, load_base, true);
    if (!module || dwfl_report_end(dwfl, NULL, NULL) != 0) {
        fprintf(stderr, "%s\n", dwfl_errmsg(-1));
        dwfl_end(dwfl);
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        print_frame(module, frames[i], i > 0);
    dwfl_end(dwfl);
    return fflush(stdout) == 0 ? 0 : 1;
}

static uint64_t parse(const char *text)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 16);
    return errno || *end ? 0 : value;
}

void symbolizer_run_if_asked(int argc, char **argv)
{
    if (argc < 3 || argc >= SYMBOLIZER_ARGUMENTS || strcmp(argv[1], mark) != 0)
        return;
#if !defined(TP__ADDRESS_SANITIZER) && !defined(TP__THREAD_SANITIZER)
    /* A sanitizer's shadow counts as address space. */
    const struct rlimit memory = {(rlim_t)4 << 30, (rlim_t)4 << 30};
    (void)setrlimit(RLIMIT_AS, &memory);
#endif
    uint64_t frames[TP__WORKER_FRAMES_LIMIT];
    size_t count = 0;
    for (int i = 3; i < argc; i++)
        frames[count++] = parse(argv[i]);
    exit(symbolize(parse(argv[2]), frames, count));
}
