/* SPDX-License-Identifier: MIT */
#include "closure_support.h"

#include "closure/block.h"

enum { CHANNELS = 8 };

struct tp_channel {
    char name[32];
    int references;
};

static struct tp_channel channels[CHANNELS];
static struct tp__context task;
static int allocations_left;
static bool has_refused;

struct tp__channels *const fake_channels = (struct tp__channels *)(void *)channels;

tp_channel *fake_channel(const char *name)
{
    size_t i = 0;
    while (i < CHANNELS - 1 && channels[i].name[0] != '\0' && strcmp(channels[i].name, name) != 0)
        i++;
    strncpy(channels[i].name, name, sizeof channels[i].name - 1);
    return &channels[i];
}

int fake_channel_references(const tp_channel *channel)
{
    return channel->references;
}

const char *tp_channel_name(const tp_channel *channel)
{
    return channel->name;
}

tp_channel *tp__channel_retain(tp_channel *channel)
{
    channel->references++;
    return channel;
}

void tp__channel_unref(tp_channel *channel)
{
    if (channel)
        channel->references--;
}

tp_channel *tp__channels_resolve(struct tp__channels *known, const char *name, size_t length)
{
    if (!known) {
        tp__fail(TP_E_DECODE, "there are no channels here");
        return NULL;
    }
    for (size_t i = 0; i < CHANNELS; i++)
        if (strlen(channels[i].name) == length && memcmp(channels[i].name, name, length) == 0)
            return tp__channel_retain(&channels[i]);
    tp__fail(TP_E_DECODE, "no such channel");
    return NULL;
}

void fake_task_begin(void)
{
    task = (struct tp__context){.error = NULL};
    tp__context_of_task = &task;
}

void fake_task_end(void)
{
    tp__owned_free(&task);
    tp__error_release(task.error);
    tp__context_of_task = NULL;
}

size_t fake_task_owned(void)
{
    return tp__owned_count(&task);
}

static bool refuse(size_t size)
{
    (void)size;
    if (allocations_left-- != 0)
        return false;
    has_refused = true;
    return true;
}

void refuse_each_allocation(tp_status (*function)(void))
{
    for (int allowed = 0; allowed < 10000; allowed++) {
        allocations_left = allowed;
        has_refused = false;
        tp__alloc_set_refuse(refuse);
        const tp_status status = function();
        tp__alloc_set_refuse(NULL);
        if (!has_refused) {
            assert_int_equal(status, TP_OK);
            assert_true(allowed > 0);
            return;
        }
        assert_int_equal(status, TP_E_NOMEM);
    }
    fail_msg("10,000 allocations were not enough");
}
