/* SPDX-License-Identifier: MIT */
/** @file
 * Settings: a table says what there is; they come from the command line, else from a file, else from the table.
 *
 *     # comment                          taskpool-coordinator --listen tcp://0.0.0.0:7077 --lease=30s
 *     listen = tcp://0.0.0.0:7077
 *     lease = 30s
 *
 * Whatever is unknown, malformed, out of range or set twice is an error that names its place: nothing is skipped. Help,
 * usage and version are printed by argp, which also ends the program after them and after a bad command line.
 */
#ifndef TP_PROTO_CONFIG_H
#define TP_PROTO_CONFIG_H

#include "wire/problem.h"

#include <stddef.h>
#include <stdint.h>

enum tp__setting_type {
    TP__SETTING_TEXT,
    TP__SETTING_PATH,     /**< a text; not empty */
    TP__SETTING_NUMBER,   /**< decimal */
    TP__SETTING_SIZE,     /**< bytes; 64K, 16M, 2G: powers of 1,024 */
    TP__SETTING_DURATION, /**< in ms; 500ms, 30s, 10min, 2h; a unit is a must, but for 0 */
    TP__SETTING_FLAG      /**< yes, no, true, false, on, off; on the command line its name alone means yes */
};

struct tp__setting {
    const char *name; /**< "listen": --listen, and "listen = ..." in the file */
    char letter;      /**< 'l': -l; 0: none */
    enum tp__setting_type type;
    const char *argument; /**< "ENDPOINT": what it takes, for help; NULL for a flag */
    const char *help;     /**< in one phrase */
    const char *standard; /**< its value where nothing is said, in text; NULL: none (texts), 0, no */
    int64_t least, most;  /**< of NUMBER, SIZE and DURATION; both 0: any that is not negative */
    bool not_in_file;     /**< command line only */
};

struct tp__program {
    const char *name;      /**< "taskpool-coordinator" */
    const char *version;   /**< "0.1.0" */
    const char *about;     /**< a sentence, for help */
    const char *arguments; /**< "NODE" for help; NULL: there are none */
    size_t least_arguments, most_arguments;
    bool ends_at_argument;              /**< options behind the first argument belong to somebody else */
    const struct tp__setting *settings; /**< ends with one without a name */
    /** The setting (a PATH) that names the file; NULL: there is no file. Its standard value is read only if there is
     *  such a file; one that the command line names must be there. */
    const char *file_setting;
};

struct tp__config;

/** Reads the command line, then the file. Call it again to read the file again. NULL with the problem. argv[0] is not
 *  looked at. */
struct tp__config *tp__config_read(const struct tp__program *program, int argc, char **argv,
                                   struct tp__problem *problem);
void tp__config_free(struct tp__config *config);

/** By name; asking for one that is not in the table, or of another type, is a mistake of ours and aborts. */
const char *tp__config_text(const struct tp__config *config, const char *name); /**< TEXT, PATH; may be NULL */
int64_t tp__config_number(const struct tp__config *config, const char *name);   /**< NUMBER, SIZE, DURATION */
bool tp__config_flag(const struct tp__config *config, const char *name);
/** Did the command line or the file say it? */
bool tp__config_is_set(const struct tp__config *config, const char *name);

size_t tp__config_argument_count(const struct tp__config *config);
const char *tp__config_argument(const struct tp__config *config, size_t index); /**< of argv; NULL past the last */
/** The arguments as argv has them, NULL at the end. */
char **tp__config_arguments(const struct tp__config *config);

/* ---- its parts, for tests ---- */

/** A config with the table's values only. */
struct tp__config *tp__config_new(const struct tp__program *program, struct tp__problem *problem);
/** Reads a file's text; `path` is for messages. What the command line said stays. */
bool tp__config_read_text(struct tp__config *config, const char *path, const char *text, size_t size,
                          struct tp__problem *problem);

#endif
