/* SPDX-License-Identifier: MIT */
#include "pipeline/log.h"

#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the source */

/* splitmix64 (G. Steele, D. Lea, C. Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static const char *const GOOD_PATHS[] = {
    "/",          "/index.html", "/products/42",  "/products?sort=price&page=3", "/cart",        "/img/logo.png",
    "/css/a.css", "/search?q=c", "/blog/2024/05", "/api/v1/orders/1871",         "/favicon.ico", "/login",
};
static const char *const BAD_PATHS[] = {
    "/download?file=../../../../etc/passwd",
    "/item?id=1%27%20UNION%20SELECT%20password%20FROM%20users--",
    "/search?q=<script>document.location=%27//evil%27</script>",
    "/wp-login.php",
    "/cgi-bin/luci/;stok=/locale",
    "/.git/config",
};
static const char *const AGENTS[] = {"Mozilla/5.0 (X11; Linux x86_64)", "curl/7.88.1", "Googlebot/2.1"};

#define PICK(from, random) ((from)[(random) % (sizeof(from) / sizeof *(from))])

static int write_line(char *to, uint64_t line, uint64_t seed)
{
    uint64_t state = seed ^ line * UINT64_C(0xD1342543DE82EF95);
    const uint64_t address = next_random(&state), choice = next_random(&state), size = next_random(&state);
    const bool bad = choice % 50 == 0;
    const char *path = bad ? PICK(BAD_PATHS, choice >> 8) : PICK(GOOD_PATHS, choice >> 8);
    const unsigned status = bad ? 404 : (choice >> 32) % 40 == 0 ? 500 : (choice >> 32) % 10 == 0 ? 304 : 200;
    const uint64_t second = line / 7;
    return snprintf(to, LINE_LIMIT,
                    "%u.%u.%u.%u - - [12/May/2024:%02u:%02u:%02u +0000] \"%s %s HTTP/1.1\" %u %u \"-\" \"%s\"\n",
                    (unsigned)(address & 63) + 10, (unsigned)(address >> 8 & 255), (unsigned)(address >> 16 & 255),
                    (unsigned)(address >> 24 & 255), (unsigned)(second / 3600 % 24), (unsigned)(second / 60 % 60),
                    (unsigned)(second % 60), (choice >> 40) % 8 == 0 ? "POST" : "GET", path, status,
                    (unsigned)(size % 40000) + 200, PICK(AGENTS, size >> 32));
}

void log_page(uint64_t page, uint64_t seed, struct page_text *out)
{
    out->size = 0;
    for (uint64_t i = 0; i < PAGE_LINES; i++) {
        const int length = write_line(out->text + out->size, page * PAGE_LINES + i, seed);
        out->size += (size_t)(length < LINE_LIMIT ? length : LINE_LIMIT - 1);
    }
}

/* ---- lines */

/* Takes the next line, without its end, off the text. False at the end; `*fits` tells if it is short enough. */
static bool next_line(const char **text, size_t *size, char line[LINE_LIMIT], bool *fits)
{
    if (*size == 0)
        return false;
    const char *end = memchr(*text, '\n', *size);
    const size_t length = end ? (size_t)(end - *text) : *size;
    *fits = length < LINE_LIMIT;
    if (*fits) {
        memcpy(line, *text, length);
        line[length] = '\0';
    }
    *text += end ? length + 1 : length;
    *size -= end ? length + 1 : length;
    return true;
}

/* Adds a formatted line to the page, if it fits. */
static bool add_line(struct page_text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool add_line(struct page_text *out, const char *format, ...)
{
    const size_t room = PAGE_LIMIT - out->size;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(out->text + out->size, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room)
        return false;
    out->size += (size_t)length;
    return true;
}

/* ---- the stages */

bool log_parse(uint64_t page, const char *text, size_t size, struct page_text *out)
{
    char line[LINE_LIMIT], address[48], method[16], path[LINE_LIMIT];
    bool fits = true;
    out->size = 0;
    for (uint64_t number = page * PAGE_LINES; next_line(&text, &size, line, &fits); number++) {
        unsigned status, bytes;
        if (!fits || sscanf(line, "%47s - - [%*[^]]] \"%15s %255s HTTP/%*[^\"]\" %3u %9u", address, method, path,
                            &status, &bytes) != 5)
            return false;
        if (!add_line(out, "%" PRIu64 ",%s,%s,%u,%u,%s\n", number, address, method, status, bytes, path))
            return false;
    }
    return true;
}

static const struct signature {
    const char *attack;
    const char *pattern; /* of the path, without regard to case */
} SIGNATURES[] = {
    {"path traversal", "(\\.\\.|%2e%2e)(/|%2f|\\\\)"},
    {"sql injection", "(union(%20|\\+|/\\*)+(all(%20|\\+)+)?select|(%27|')(%20|\\+)*or(%20|\\+)|sleep\\([0-9]+\\))"},
    {"script injection", "(<|%3c)[ ]*(script|img|svg|iframe)[^a-z]"},
    {"login probing", "(wp-login|xmlrpc|phpmyadmin|administrator/index)\\.?"},
    {"command injection", "(;|%3b|\\||%7c|`)[a-z_]+=?(/|%2f|%20)"},
    {"secret probing", "/(\\.git|\\.env|\\.aws|\\.ssh|id_rsa|backup\\.(sql|zip))"},
};
enum { SIGNATURE_COUNT = sizeof SIGNATURES / sizeof *SIGNATURES };

struct inspector {
    regex_t patterns[SIGNATURE_COUNT];
    int compiled; /* the first so many patterns */
};

struct inspector *inspector_new(void)
{
    struct inspector *inspector = calloc(1, sizeof *inspector);
    for (int i = 0; inspector && i < SIGNATURE_COUNT; i++) {
        if (regcomp(&inspector->patterns[i], SIGNATURES[i].pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
            inspector_free(inspector);
            return NULL;
        }
        inspector->compiled++;
    }
    return inspector;
}

void inspector_free(struct inspector *inspector)
{
    for (int i = 0; inspector && i < inspector->compiled; i++)
        regfree(&inspector->patterns[i]);
    free(inspector);
}

bool log_inspect(const struct inspector *inspector, const char *text, size_t size, struct page_text *out)
{
    char line[LINE_LIMIT];
    bool fits = true;
    out->size = 0;
    while (next_line(&text, &size, line, &fits)) {
        char *path = fits ? line : NULL;
        for (int column = 0; path && column < 5; column++) {
            path = strchr(path, ',');
            path = path ? path + 1 : NULL;
        }
        if (!path)
            return false;
        const char *verdict = "ok";
        for (int i = 0; i < SIGNATURE_COUNT; i++) {
            if (regexec(&inspector->patterns[i], path, 0, NULL, 0) == 0) {
                verdict = SIGNATURES[i].attack;
                break;
            }
        }
        if (!add_line(out, "%.*s%s,%s\n", (int)(path - line), line, verdict, path))
            return false;
    }
    return true;
}
