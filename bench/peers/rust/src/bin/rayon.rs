// SPDX-License-Identifier: MIT

//! Rayon: a work-stealing pool of two threads. A scope counts its tasks down; fork-join is `join`, whose task lies on the
//! caller's stack and is awaited by the caller alone. Tasks cannot park and there is no promise.

use bench::*;
use std::time::{Duration, Instant};

fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(WORKERS)
        .build()
        .unwrap()
}

fn empty_tasks<'a>(scope: &rayon::Scope<'a>, count: usize) {
    for _ in 0..count {
        scope.spawn(|_| ());
    }
}

/// From the main thread, which is none of the pool's.
fn submit(divisor: usize) {
    let count = TASKS / divisor;
    let pool = pool();
    pool.in_place_scope(|scope| empty_tasks(scope, count / 10));
    let start = Instant::now();
    pool.in_place_scope(|scope| empty_tasks(scope, count));
    show(
        "submit",
        count as f64 / start.elapsed().as_secs_f64(),
        "tasks/s",
    );
}

fn spawn(divisor: usize) {
    let count = TASKS / divisor;
    let pool = pool();
    pool.scope(|scope| empty_tasks(scope, count / 10));
    let start = Instant::now();
    pool.scope(|scope| empty_tasks(scope, count));
    show(
        "spawn",
        count as f64 / start.elapsed().as_secs_f64(),
        "tasks/s",
    );
}

fn fib_join(n: u32) -> i64 {
    if n < 2 {
        return n as i64;
    }
    let (a, b) = rayon::join(|| fib_join(n - 1), || fib_join(n - 2));
    a + b
}

fn fork_join(_: usize) {
    let pool = pool();
    pool.install(|| fib_join(FIB_WARM_UP));
    let start = Instant::now();
    let result = pool.install(|| fib_join(FIB));
    show("fib", start.elapsed().as_secs_f64(), "s");
    assert_eq!(result, fib(FIB));
}

fn skew(divisor: usize) {
    use rayon::prelude::*;
    let elements = skewed(SKEW_REPEATS / divisor + 1);
    let pool = pool();
    pool.scope(|scope| empty_tasks(scope, 1000));
    let (alone, expected) = skewed_alone(&elements);
    let start = Instant::now();
    let found: Vec<i64> = pool.install(|| {
        elements
            .par_iter()
            .with_max_len(1)
            .map(|&n| fib(n))
            .collect()
    });
    let parallel = start.elapsed().as_secs_f64();
    assert_eq!(found.iter().sum::<i64>(), expected);
    show("skew", over_ideal(parallel, alone), "%");
}

fn idle(_: usize) {
    let pool = pool();
    pool.scope(|scope| empty_tasks(scope, 1000));
    let before = processor_time();
    std::thread::sleep(Duration::from_secs(IDLE_SECONDS));
    show("idle", (processor_time() - before) * 1e3, "ms");
}

fn main() {
    run(&[
        ("submit", submit),
        ("spawn", spawn),
        ("fib", fork_join),
        ("skew", skew),
        ("idle", idle),
    ]);
}
