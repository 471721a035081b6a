/* SPDX-License-Identifier: MIT */
#include "base/kind_name.h"

const char *tp__kind_name(tp_kind kind)
{
    switch (kind) {
    case TP_KIND_VOID:
        return "nothing";
    case TP_KIND_BOOL:
        return "a bool";
    case TP_KIND_INT:
        return "a signed integer";
    case TP_KIND_UINT:
        return "an unsigned integer";
    case TP_KIND_FLOAT:
        return "a floating-point number";
    case TP_KIND_PLAIN:
        return "a struct";
    case TP_KIND_STR:
        return "a tp_str";
    case TP_KIND_BYTES:
        return "a tp_bytes";
    case TP_KIND_VALUE:
        return "a tp_value";
    case TP_KIND_CLOSURE:
        return "a tp_closure";
    case TP_KIND_CHANNEL:
        return "a channel";
    }
    return "an unknown kind";
}
