/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

/* sd_notify does nothing where nobody asked, and what fails there is no reason to stop. */

static bool write_all(int descriptor, const char *text, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(descriptor, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        text += written;
        size -= (size_t)written;
    }
    return true;
}

bool tp__notify_ready(int ready_fd, const char *endpoint, struct tp__problem *problem)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s%s", endpoint ? "Listening at " : "Running", endpoint ? endpoint : "");
    if (ready_fd < 0)
        return true;
    char line[320];
    const int length = snprintf(line, sizeof line, "ready%s%s\n", endpoint ? " " : "", endpoint ? endpoint : "");
    if (length < 0 || (size_t)length >= sizeof line)
        return tp__problem_set(problem, TP_E_LIMIT, "the endpoint is too long for the ready line");
    if (!write_all(ready_fd, line, (size_t)length))
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot write to descriptor %d (--ready-fd)", ready_fd);
    (void)close(ready_fd);
    return true;
}

void tp__notify_reloading(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                     (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void tp__notify_reloaded(void)
{
    (void)sd_notify(0, "READY=1");
}

void tp__notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void tp__notify_status(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = strchr(text, '\n'); at; at = strchr(at, '\n'))
        *at = ' '; /* a second line would be another assignment */
    (void)sd_notifyf(0, "STATUS=%s", text);
}
