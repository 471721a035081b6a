/* SPDX-License-Identifier: MIT */
#include "runtime/proxy.h"

#include "base/error.h"
#include "runtime/remote.h"

static struct tp__remote *remote_of(const tp_channel *proxy)
{
    return atomic_load_explicit(&proxy->remote, memory_order_acquire);
}

void tp__proxy_init(tp_channel *proxy, struct tp__remote *remote)
{
    proxy->elsewhere = true;
    proxy->closed = true;
    atomic_init(&proxy->remote, remote);
}

static tp_status operate(struct tp__clause *clauses, size_t count, int64_t timeout_ms, size_t *chosen, const char *name,
                         const char *function)
{
    struct tp__remote *remote = remote_of(clauses[0].channel);
    if (!remote) {
        *chosen = 0;
        clauses[0].status = TP_E_CLOSED;
        return tp__clause_finish(&clauses[0], name, function);
    }
    const tp_status status = remote->class->operate(remote, clauses, count, timeout_ms, chosen);
    for (size_t i = 0; status != TP_OK && i < count; i++)
        if (!clauses[i].send && (count == 1 || i == *chosen))
            memset(clauses[i].data.out, 0, clauses[i].size);
    return status;
}

tp_status tp__proxy_operate(struct tp__clause *clause, int64_t timeout_ms, const char *name, const char *function)
{
    size_t chosen = 0;
    const tp_status status = operate(clause, 1, timeout_ms, &chosen, name, function);
    if (clause->send && status == TP_OK)
        tp__message_drop(clause->kind, clause->size, clause->data.content); /* it was encoded */
    return status;
}

tp_status tp__proxy_select(struct tp__clause *clauses, size_t count, int64_t timeout_ms, size_t *chosen)
{
    for (size_t i = 1; i < count; i++)
        if (remote_of(clauses[i].channel) != remote_of(clauses[0].channel))
            return tp__fail(TP_E_UNSUPPORTED,
                            "tp_select: the channels of case 0 and case %zu belong to different pools of a cluster", i);
    const char *name = tp__channel_lasting_name(clauses[0].channel);
    const tp_status status = operate(clauses, count, timeout_ms, chosen, name, "tp_select");
    if (timeout_ms != 0 || (status != TP_E_FULL && status != TP_E_EMPTY && status != TP_E_TIMEOUT))
        return status;
    *chosen = count;
    return tp__fail(TP_E_TIMEOUT, "tp_select: none of the %zu operations is possible now", count);
}

tp_status tp__proxy_close(tp_channel *proxy)
{
    struct tp__remote *remote = remote_of(proxy);
    return remote ? remote->class->close_channel(remote, proxy) : TP_OK;
}

size_t tp__proxy_size(const tp_channel *proxy)
{
    struct tp__remote *remote = remote_of(proxy);
    return remote ? remote->class->channel_size(remote, proxy) : 0;
}

tp_status tp__proxy_open(tp_channel *proxy, size_t capacity)
{
    struct tp__remote *remote = remote_of(proxy);
    if (!remote)
        return tp__fail(TP_E_CLOSED, "tp_pool_channel_with: channel \"%s\" is closed", proxy->name);
    return remote->class->open_channel(remote, proxy, capacity);
}
