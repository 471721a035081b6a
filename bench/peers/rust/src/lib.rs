// SPDX-License-Identifier: MIT

//! What the programs in Rust share: sizes, clocks, the skewed work and the line they print; the twin of bench.h.

use std::time::Instant;

pub const WORKERS: usize = 2;
pub const TASKS: usize = 1_000_000;
pub const FIB: u32 = 32;
pub const FIB_WARM_UP: u32 = 22;
pub const ROUNDS_ONE_WORKER: i64 = 1_000_000;
pub const ROUNDS_TWO_WORKERS: i64 = 50_000;
pub const MESSAGES: i64 = 2_000_000;
pub const PIPELINE_CAPACITY: usize = 64;
pub const SKEW_REPEATS: usize = 32;
pub const IDLE_SECONDS: u64 = 2;

/// The plain sequential function that the skewed work calls.
#[inline(never)]
pub fn fib(n: u32) -> i64 {
    if n < 2 {
        n as i64
    } else {
        fib(n - 1) + fib(n - 2)
    }
}

/// The elements of the skewed map: fib(20) to fib(32), each `repeats` times, shuffled with a fixed seed.
pub fn skewed(repeats: usize) -> Vec<u32> {
    let mut elements: Vec<u32> = (0..repeats * 13).map(|i| 20 + (i % 13) as u32).collect();
    let mut state: u64 = 42;
    for i in (1..elements.len()).rev() {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        elements.swap(i, ((state >> 33) % (i as u64 + 1)) as usize);
    }
    elements
}

/// Does the skewed work on this thread alone: the seconds it took, and the sum of the results.
pub fn skewed_alone(elements: &[u32]) -> (f64, i64) {
    let start = Instant::now();
    let sum = elements.iter().map(|&n| fib(std::hint::black_box(n))).sum();
    (start.elapsed().as_secs_f64(), sum)
}

pub fn over_ideal(parallel: f64, alone: f64) -> f64 {
    (parallel / (alone / WORKERS as f64) - 1.0) * 100.0
}

extern "C" {
    /// The C library's: microseconds of processor time that this process has used.
    fn clock() -> std::ffi::c_long;
}

/// Seconds of processor time that this process has used.
pub fn processor_time() -> f64 {
    unsafe { clock() as f64 / 1e6 }
}

/// KiB of resident memory of this process.
pub fn resident_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages: f64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4.0
}

pub fn show(figure: &str, value: f64, unit: &str) {
    println!("{figure} {value:.6} {unit}");
}

/// Runs the work that the command line names: `PROGRAM WORK [DIVISOR]`.
pub fn run(works: &[(&str, fn(usize))]) {
    let arguments: Vec<String> = std::env::args().collect();
    let divisor = arguments.get(2).map_or(1, |text| text.parse().unwrap());
    match works
        .iter()
        .find(|work| Some(work.0) == arguments.get(1).map(String::as_str))
    {
        Some(work) => work.1(divisor),
        None => {
            eprintln!("usage: PROGRAM WORK [DIVISOR]");
            std::process::exit(3);
        }
    }
}
