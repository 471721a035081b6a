/* SPDX-License-Identifier: MIT */
#include "silence.h"

enum {
    SILENCE_MS = 3000, /* without an answer, it is time to say so */
    AGAIN_MS = 5000    /* before another reason is said */
};

void silence_begin(struct silence *silence, int64_t now_ms)
{
    *silence = (struct silence){.since_ms = now_ms, .told_ms = -1};
}

void silence_end(struct silence *silence)
{
    silence->since_ms = INT64_MAX;
}

bool silence_is_due(struct silence *silence, enum tp__trouble trouble, int64_t now_ms, int64_t *next_ms)
{
    *next_ms = INT64_MAX;
    if (silence->since_ms == INT64_MAX)
        return false;
    int64_t due_ms = silence->since_ms + SILENCE_MS;
    if (silence->told_ms >= 0) {
        if (trouble == TP__TROUBLE_NONE || trouble == silence->told)
            return false;
        due_ms = silence->told_ms + AGAIN_MS;
    } else if (tp__trouble_is_lasting(trouble)) {
        due_ms = now_ms;
    }
    if (now_ms < due_ms) {
        *next_ms = due_ms;
        return false;
    }
    silence->told_ms = now_ms;
    silence->told = trouble;
    return true;
}
