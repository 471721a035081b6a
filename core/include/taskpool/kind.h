/* SPDX-License-Identifier: MIT */
/** @file
 * The kinds of value that closures, results and messages carry, and how a task is described to the runtime.
 */
#ifndef TASKPOOL_KIND_H
#define TASKPOOL_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/** The kind of a value. The numbers are part of the encoding of closures: frozen. */
typedef enum tp_kind {
    TP_KIND_VOID = 0,    /**< no value: the result of a task that returns void */
    TP_KIND_BOOL = 1,    /**< bool */
    TP_KIND_INT = 2,     /**< a signed integer, also plain char where it is signed; its size tells the width */
    TP_KIND_UINT = 3,    /**< an unsigned integer */
    TP_KIND_FLOAT = 4,   /**< float or double; its size tells which */
    TP_KIND_PLAIN = 5,   /**< anything else that is copied byte by byte: structs, unions, long double, complex */
    TP_KIND_STR = 6,     /**< tp_str */
    TP_KIND_BYTES = 7,   /**< tp_bytes */
    TP_KIND_VALUE = 8,   /**< tp_value */
    TP_KIND_CLOSURE = 9, /**< tp_closure */
    TP_KIND_CHANNEL = 10 /**< tp_channel * of a named channel */
} tp_kind;

/** One parameter of a task. All of it is static data made by TP_TASK. */
typedef struct tp_parameter {
    const char *name;      /**< as written in TP_TASK */
    const char *type_name; /**< as written in TP_TASK, macros expanded: bool is "_Bool" */
    uint32_t offset;       /**< bytes from the start of the task's captures */
    uint32_t size;         /**< bytes */
    tp_kind kind;
} tp_parameter;

/** What a task is: made by TP_TASK, one for each, static, never changed. */
typedef struct tp_task_definition {
    const char *name; /**< as written in TP_TASK */
    const char *file; /**< where it is defined */
    int line;
    bool local;              /**< a TP_LOCAL_TASK: for tp_async only, may capture pointers */
    bool plain;              /**< captures and result are copied byte by byte: no string, value, closure or channel */
    uint8_t parameter_count; /**< 0 to 16 */
    tp_kind result_kind;
    uint32_t result_size;   /**< bytes; 0 for void */
    uint32_t captures_size; /**< bytes from the start of the captures to the end of the last; 0 without parameters */
    const tp_parameter *parameters;
    /** Reads all captures, then calls the task's function, then stores what it returns. `captures` and `result` may be
     *  the same memory. */
    void (*call)(const void *captures, void *result);
} tp_task_definition;

/* Called by a constructor of every module (the program, a shared library) that includes task.h, before main: the tasks
 * of that module are *begin .. *(end - 1), a linker section; `module` is an address in its data. Both NULL without
 * tasks. Called again with the same range it does nothing. */
void tp__program_register(const tp_task_definition *const *begin, const tp_task_definition *const *end,
                          const void *module);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
