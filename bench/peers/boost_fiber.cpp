/* SPDX-License-Identifier: MIT */
/* Boost.Fiber: fibers on one or two threads, each thread with its own scheduler, which is the library's default (a
 * fiber stays on its thread). A promise is a boost::fibers::future. A fiber takes its stack when it is made, not when
 * it starts, so a million queued tasks are not offered. */
#include "bench.h"

#include <boost/fiber/all.hpp>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;

using channel = fibers::buffered_channel<int64_t>;

static constexpr size_t PARKED_STACK = 16384;

/* Runs `body` on as many threads as there are workers, each with its index. */
template <typename Body> static void on_each_worker(Body body)
{
    std::vector<std::thread> threads;
    for (int i = 0; i < BENCH_WORKERS; i++) {
        threads.emplace_back([=] { body(i); });
    }
    for (auto &thread : threads) {
        thread.join();
    }
}

static void serve_ping(channel &ping, channel &pong)
{
    int64_t value;
    while (ping.pop(value) == fibers::channel_op_status::success) {
        pong.push(value + 1);
    }
}

static double send_ping(channel &ping, channel &pong, int rounds)
{
    double start = 0;
    int64_t value = 0;
    for (int i = -rounds / 10; i < rounds; i++) {
        if (i == 0) {
            start = bench_now();
        }
        ping.push(value);
        pong.pop(value);
    }
    double took = bench_now() - start;
    ping.close();
    bench_expect(value, rounds / 10 + rounds, "the last message");
    return took * 1e9 / rounds;
}

static void ping_pong_one_worker(int divisor)
{
    channel ping(2), pong(2);
    fibers::fiber server([&] { serve_ping(ping, pong); });
    auto client = fibers::async([&] { return send_ping(ping, pong, BENCH_ROUNDS_ONE_WORKER / divisor); });
    bench_print("pingpong1", client.get(), "ns");
    server.join();
}

static void ping_pong_two_workers(int divisor)
{
    channel ping(2), pong(2);
    on_each_worker([&, divisor](int worker) {
        if (worker == 0) {
            serve_ping(ping, pong);
        } else {
            bench_print("pingpong2", send_ping(ping, pong, BENCH_ROUNDS_TWO_WORKERS / divisor), "ns");
        }
    });
}

/* Parks count fibers, half of them on each thread, and sends each a message from the first one. */
static double park_many(int64_t count)
{
    channel gate(1024);
    fibers::barrier all_parked(BENCH_WORKERS), all_measured(BENCH_WORKERS);
    std::atomic<int64_t> sum{0};
    double resident = 0;
    on_each_worker([&](int worker) {
        std::vector<fibers::future<int64_t>> promises;
        promises.reserve((size_t)(count / BENCH_WORKERS));
        for (int64_t i = 0; i < count / BENCH_WORKERS; i++) {
            promises.push_back(fibers::async(fibers::launch::dispatch, std::allocator_arg,
                                             fibers::fixedsize_stack(PARKED_STACK), [&] { return gate.value_pop(); }));
        }
        all_parked.wait();
        if (worker == 0) {
            resident = bench_resident_kib();
        }
        all_measured.wait();
        if (worker == 0) {
            for (int64_t i = 0; i < count; i++) {
                gate.push(i);
            }
        }
        for (auto &promise : promises) {
            sum += promise.get();
        }
    });
    bench_expect(sum, count * (count - 1) / 2, "the sum of the messages");
    return resident;
}

static void parked(int divisor)
{
    const int64_t count = BENCH_TASKS / divisor;
    double before = bench_resident_kib();
    park_many(count / 10);
    double start = bench_now();
    double resident = park_many(count);
    bench_print("parked", bench_now() - start, "s");
    bench_print("parked_memory", (resident - before) / (double)count, "KiB");
}

/* The four stages stand on the threads in turn: 0 1 0 1. */
static void run_pipeline(int64_t count)
{
    channel a(BENCH_PIPELINE_CAPACITY), b(BENCH_PIPELINE_CAPACITY), c(BENCH_PIPELINE_CAPACITY);
    int64_t sum = 0;
    auto pass_on = [count](channel &in, channel &out) {
        for (int64_t i = 0; i < count; i++) {
            out.push(in.value_pop() + 1);
        }
    };
    on_each_worker([&](int worker) {
        if (worker == 0) {
            fibers::fiber source([&] {
                for (int64_t i = 0; i < count; i++) {
                    a.push(i);
                }
            });
            fibers::fiber third([&] { pass_on(b, c); });
            source.join();
            third.join();
        } else {
            fibers::fiber second([&] { pass_on(a, b); });
            fibers::fiber sink([&] {
                for (int64_t i = 0; i < count; i++) {
                    sum += c.value_pop();
                }
            });
            second.join();
            sink.join();
        }
    });
    bench_expect(sum, count * (count - 1) / 2 + 2 * count, "the sum of the messages");
}

static void pipeline(int divisor)
{
    const int64_t count = BENCH_MESSAGES / divisor;
    run_pipeline(count / 10);
    double start = bench_now();
    run_pipeline(count);
    bench_print("pipeline", (double)count / (bench_now() - start), "messages/s");
}

/* The threads stay, each waiting in its scheduler, while the processor time is measured. */
static void idle(int)
{
    fibers::unbuffered_channel<int> gate;
    fibers::barrier used(BENCH_WORKERS + 1);
    double spent = 0;
    std::thread clock([&] {
        used.wait();
        double before = bench_processor_time();
        bench_sleep_seconds(BENCH_IDLE_SECONDS);
        spent = bench_processor_time() - before;
        gate.close();
    });
    on_each_worker([&](int) {
        for (int i = 0; i < 1000; i++) {
            fibers::async(bench_nothing).get();
        }
        used.wait();
        int value;
        gate.pop(value);
    });
    clock.join();
    bench_print("idle", spent * 1e3, "ms");
}

int main(int argc, char **argv)
{
    const bench_work works[] = {
        {"pingpong1", ping_pong_one_worker},
        {"pingpong2", ping_pong_two_workers},
        {"parked", parked},
        {"pipeline", pipeline},
        {"idle", idle},
    };
    return bench_main(argc, argv, works, sizeof works / sizeof *works);
}
