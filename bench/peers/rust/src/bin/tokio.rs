// SPDX-License-Identifier: MIT

//! Tokio: stackless tasks on a runtime of two workers, beside the main thread. A promise is a JoinHandle. Its channels have
//! one receiver, so that parked tasks wait for a permit of one semaphore instead of a message.

use bench::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, Notify, Semaphore};

fn pool() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()
        .unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

async fn empty_tasks(count: usize) -> i64 {
    let promises: Vec<_> = (0..count).map(|_| tokio::spawn(async { 1i64 })).collect();
    let mut sum = 0;
    for promise in promises {
        sum += promise.await.unwrap();
    }
    assert_eq!(sum, count as i64);
    sum
}

fn submit(divisor: usize) {
    let count = TASKS / divisor;
    let pool = pool();
    pool.block_on(empty_tasks(count / 10));
    let start = Instant::now();
    pool.block_on(empty_tasks(count));
    show(
        "submit",
        count as f64 / start.elapsed().as_secs_f64(),
        "tasks/s",
    );
}

fn spawn(divisor: usize) {
    let count = TASKS / divisor;
    let pool = pool();
    pool.block_on(pool.spawn(empty_tasks(count / 10))).unwrap();
    let start = Instant::now();
    pool.block_on(pool.spawn(empty_tasks(count))).unwrap();
    show(
        "spawn",
        count as f64 / start.elapsed().as_secs_f64(),
        "tasks/s",
    );
}

fn fib_tasks(n: u32) -> Pin<Box<dyn Future<Output = i64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n as i64;
        }
        let promise = tokio::spawn(fib_tasks(n - 1));
        let b = fib_tasks(n - 2).await;
        promise.await.unwrap() + b
    })
}

fn fork_join(_: usize) {
    let pool = pool();
    pool.block_on(pool.spawn(fib_tasks(FIB_WARM_UP))).unwrap();
    let start = Instant::now();
    let result = pool.block_on(pool.spawn(fib_tasks(FIB))).unwrap();
    show("fib", start.elapsed().as_secs_f64(), "s");
    assert_eq!(result, fib(FIB));
}

async fn serve_ping(mut ping: mpsc::Receiver<i64>, pong: mpsc::Sender<i64>) {
    while let Some(value) = ping.recv().await {
        pong.send(value + 1).await.unwrap();
    }
}

async fn send_ping(ping: mpsc::Sender<i64>, mut pong: mpsc::Receiver<i64>, rounds: i64) -> f64 {
    let mut start = Instant::now();
    let mut value = 0;
    for i in -rounds / 10..rounds {
        if i == 0 {
            start = Instant::now();
        }
        ping.send(value).await.unwrap();
        value = pong.recv().await.unwrap();
    }
    assert_eq!(value, rounds / 10 + rounds);
    start.elapsed().as_secs_f64() * 1e9 / rounds as f64
}

fn ping_pong_one_worker(divisor: usize) {
    let rounds = ROUNDS_ONE_WORKER / divisor as i64;
    let runtime = one_thread();
    let (ping, server_end) = mpsc::channel(1);
    let (server_pong, pong) = mpsc::channel(1);
    runtime.spawn(serve_ping(server_end, server_pong));
    let client = runtime.spawn(send_ping(ping, pong, rounds));
    show("pingpong1", runtime.block_on(client).unwrap(), "ns");
}

/// Tasks of the shared runtime cannot be bound to a worker, so each thread gets a runtime of its own.
fn ping_pong_two_workers(divisor: usize) {
    let rounds = ROUNDS_TWO_WORKERS / divisor as i64;
    let (ping, server_end) = mpsc::channel(1);
    let (server_pong, pong) = mpsc::channel(1);
    let server = std::thread::spawn(move || {
        let runtime = one_thread();
        let task = runtime.spawn(serve_ping(server_end, server_pong));
        runtime.block_on(task).unwrap();
    });
    let runtime = one_thread();
    let client = runtime.spawn(send_ping(ping, pong, rounds));
    show("pingpong2", runtime.block_on(client).unwrap(), "ns");
    server.join().unwrap();
}

async fn park_many(count: usize) -> f64 {
    let gate = Arc::new(Semaphore::new(0));
    let all = Arc::new(Notify::new());
    let arrived = Arc::new(AtomicUsize::new(0));
    let mut promises = Vec::with_capacity(count);
    for _ in 0..count {
        let (gate, all, arrived) = (gate.clone(), all.clone(), arrived.clone());
        promises.push(tokio::spawn(async move {
            if arrived.fetch_add(1, Ordering::Relaxed) + 1 == count {
                all.notify_one();
            }
            gate.acquire().await.unwrap().forget();
            1i64
        }));
    }
    all.notified().await;
    let resident = resident_kib();
    for _ in 0..count {
        gate.add_permits(1);
    }
    let mut sum = 0;
    for promise in promises {
        sum += promise.await.unwrap();
    }
    assert_eq!(sum, count as i64);
    resident
}

fn parked(divisor: usize) {
    let count = TASKS / divisor;
    let before = resident_kib();
    let pool = pool();
    pool.block_on(park_many(count / 10));
    let start = Instant::now();
    let resident = pool.block_on(park_many(count));
    show("parked", start.elapsed().as_secs_f64(), "s");
    show("parked_memory", (resident - before) / count as f64, "KiB");
}

fn skew(divisor: usize) {
    let elements = skewed(SKEW_REPEATS / divisor + 1);
    let pool = pool();
    pool.block_on(empty_tasks(1000));
    let (alone, expected) = skewed_alone(&elements);
    let start = Instant::now();
    let found: i64 = pool.block_on(async {
        let promises: Vec<_> = elements
            .iter()
            .map(|&n| tokio::spawn(async move { fib(n) }))
            .collect();
        let mut sum = 0;
        for promise in promises {
            sum += promise.await.unwrap();
        }
        sum
    });
    let parallel = start.elapsed().as_secs_f64();
    assert_eq!(found, expected);
    show("skew", over_ideal(parallel, alone), "%");
}

async fn pass_on(mut input: mpsc::Receiver<i64>, output: mpsc::Sender<i64>) {
    while let Some(value) = input.recv().await {
        output.send(value + 1).await.unwrap();
    }
}

async fn run_pipeline(count: i64) {
    let (to_second, second) = mpsc::channel(PIPELINE_CAPACITY);
    let (to_third, third) = mpsc::channel(PIPELINE_CAPACITY);
    let (to_sink, mut sink) = mpsc::channel(PIPELINE_CAPACITY);
    tokio::spawn(async move {
        for i in 0..count {
            to_second.send(i).await.unwrap();
        }
    });
    tokio::spawn(pass_on(second, to_third));
    tokio::spawn(pass_on(third, to_sink));
    let sum = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(value) = sink.recv().await {
            sum += value;
        }
        sum
    });
    assert_eq!(sum.await.unwrap(), count * (count - 1) / 2 + 2 * count);
}

fn pipeline(divisor: usize) {
    let count = MESSAGES / divisor as i64;
    let pool = pool();
    pool.block_on(run_pipeline(count / 10));
    let start = Instant::now();
    pool.block_on(run_pipeline(count));
    show(
        "pipeline",
        count as f64 / start.elapsed().as_secs_f64(),
        "messages/s",
    );
}

fn idle(_: usize) {
    let pool = pool();
    pool.block_on(empty_tasks(1000));
    let before = processor_time();
    std::thread::sleep(Duration::from_secs(IDLE_SECONDS));
    show("idle", (processor_time() - before) * 1e3, "ms");
}

fn main() {
    run(&[
        ("submit", submit),
        ("spawn", spawn),
        ("fib", fork_join),
        ("pingpong1", ping_pong_one_worker),
        ("pingpong2", ping_pong_two_workers),
        ("parked", parked),
        ("skew", skew),
        ("pipeline", pipeline),
        ("idle", idle),
    ]);
}
