/* SPDX-License-Identifier: MIT */
#include <taskpool/status.h>

const char *tp_status_name(tp_status status)
{
    switch (status) {
#define NAME_CASE(name, number, text) \
    case name:                        \
        return #name;
        TP_STATUS_TABLE(NAME_CASE)
#undef NAME_CASE
    }
    return "unknown status";
}

const char *tp_status_text(tp_status status)
{
    switch (status) {
#define TEXT_CASE(name, number, text) \
    case name:                        \
        return text;
        TP_STATUS_TABLE(TEXT_CASE)
#undef TEXT_CASE
    }
    return "unknown status";
}
