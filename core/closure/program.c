/* SPDX-License-Identifier: MIT */
#include "closure/program.h"

#include <link.h>

/* The table of the main program. Written once, by a constructor before main; modules other than the main program do not
 * count, since only the main program is shipped to other machines. */
static const tp_task_definition *const *table;
static uint32_t table_count;

/* Tells by returning 1 that the address lies in this module; the first module that is shown is the main program. */
static int holds_address(struct dl_phdr_info *module, size_t size, void *data)
{
    (void)size;
    const uintptr_t address = *(const uintptr_t *)data;
    for (size_t i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
        const uintptr_t start = module->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && address >= start && address - start < segment->p_memsz)
            return 1;
    }
    return -1;
}

void tp__program_register(const tp_task_definition *const *begin, const tp_task_definition *const *end,
                          const void *module)
{
    uintptr_t address = (uintptr_t)module;
    if (!begin || begin == table || dl_iterate_phdr(holds_address, &address) != 1)
        return;
    table = begin;
    table_count = (uint32_t)(end - begin);
}

bool tp__program_index(const tp_task_definition *task, uint32_t *index)
{
    for (uint32_t i = 0; i < table_count; i++)
        if (table[i] == task && task && !task->local) {
            *index = i;
            return true;
        }
    return false;
}

const tp_task_definition *tp__program_task(uint32_t index)
{
    return index < table_count && table[index] && !table[index]->local ? table[index] : NULL;
}

uint32_t tp__program_task_count(void)
{
    return table_count;
}
