// SPDX-License-Identifier: MIT

// Go: goroutines on two processors. Built as it is, each task has a promise of its own: a channel that carries its
// result. Called with BENCH_COUNTER=1 in the environment, tasks are counted down by one WaitGroup instead, and
// there is no result.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	workers          = 2
	tasks            = 1000000
	fibArgument      = 32
	fibWarmUp        = 22
	roundsOneWorker  = 1000000
	roundsTwoWorkers = 50000
	messages         = 2000000
	pipelineCapacity = 64
	skewLowest       = 20
	skewHighest      = 32
	skewRepeats      = 32
	idleTime         = 2 * time.Second
)

type promise chan int64

func spawnPromise(body func() int64) promise {
	p := make(promise, 1)
	go func() { p <- body() }()
	return p
}

func one() int64 { return 1 }

func emptyWithPromises(count int) {
	promises := make([]promise, count)
	for i := range promises {
		promises[i] = spawnPromise(one)
	}
	var sum int64
	for _, p := range promises {
		sum += <-p
	}
	expect(sum, int64(count), "the sum of the results")
}

func emptyWithCounter(count int) {
	var group sync.WaitGroup
	group.Add(count)
	for i := 0; i < count; i++ {
		go group.Done()
	}
	group.Wait()
}

func submit(divisor int, counter bool) {
	count := tasks / divisor
	work := emptyWithPromises
	if counter {
		work = emptyWithCounter
	}
	work(count / 10)
	start := time.Now()
	work(count)
	show("submit", float64(count)/time.Since(start).Seconds(), "tasks/s")
}

func spawn(divisor int, counter bool) {
	count := tasks / divisor
	work := emptyWithPromises
	if counter {
		work = emptyWithCounter
	}
	parent := func(count int) promise {
		return spawnPromise(func() int64 { work(count); return 1 })
	}
	<-parent(count / 10)
	start := time.Now()
	<-parent(count)
	show("spawn", float64(count)/time.Since(start).Seconds(), "tasks/s")
}

//go:noinline
func fib(n int) int64 {
	if n < 2 {
		return int64(n)
	}
	return fib(n-1) + fib(n-2)
}

func fibWithPromises(n int) int64 {
	if n < 2 {
		return int64(n)
	}
	p := make(promise, 1)
	go func() { p <- fibWithPromises(n - 1) }()
	b := fibWithPromises(n - 2)
	return <-p + b
}

func fibWithCounter(n int) int64 {
	if n < 2 {
		return int64(n)
	}
	var group sync.WaitGroup
	var a int64
	group.Add(1)
	go func() {
		a = fibWithCounter(n - 1)
		group.Done()
	}()
	b := fibWithCounter(n - 2)
	group.Wait()
	return a + b
}

func forkJoin(_ int, counter bool) {
	work := fibWithPromises
	if counter {
		work = fibWithCounter
	}
	work(fibWarmUp)
	start := time.Now()
	result := work(fibArgument)
	show("fib", time.Since(start).Seconds(), "s")
	expect(result, fib(fibArgument), "fib")
}

func pingPong(rounds int, onItsOwnThread bool) float64 {
	ping, pong, done := make(chan int64), make(chan int64), make(chan float64)
	go func() {
		if onItsOwnThread {
			runtime.LockOSThread()
		}
		for value := range ping {
			pong <- value + 1
		}
	}()
	go func() {
		if onItsOwnThread {
			runtime.LockOSThread()
		}
		var start time.Time
		value := int64(0)
		for i := -rounds / 10; i < rounds; i++ {
			if i == 0 {
				start = time.Now()
			}
			ping <- value
			value = <-pong
		}
		took := time.Since(start).Seconds()
		close(ping)
		expect(value, int64(rounds/10+rounds), "the last message")
		done <- took
	}()
	return <-done * 1e9 / float64(rounds)
}

func pingPongOneWorker(divisor int, _ bool) {
	runtime.GOMAXPROCS(1)
	show("pingpong1", pingPong(roundsOneWorker/divisor, false), "ns")
}

func pingPongTwoWorkers(divisor int, _ bool) {
	show("pingpong2", pingPong(roundsTwoWorkers/divisor, true), "ns")
}

func parkMany(count int, counter bool, whenParked func()) {
	gate, all := make(chan int64), make(chan bool)
	var arrived int64
	park := func() int64 {
		if atomic.AddInt64(&arrived, 1) == int64(count) {
			all <- true
		}
		return <-gate
	}
	var sum int64
	var group sync.WaitGroup
	var promises []promise
	if counter {
		group.Add(count)
		for i := 0; i < count; i++ {
			go func() {
				atomic.AddInt64(&sum, park())
				group.Done()
			}()
		}
	} else {
		promises = make([]promise, count)
		for i := range promises {
			promises[i] = spawnPromise(park)
		}
	}
	<-all
	whenParked()
	for i := 0; i < count; i++ {
		gate <- int64(i)
	}
	group.Wait()
	for _, p := range promises {
		sum += <-p
	}
	expect(sum, int64(count)*int64(count-1)/2, "the sum of the messages")
}

func parked(divisor int, counter bool) {
	before := residentKiB()
	count := tasks / divisor
	parkMany(count/10, counter, func() {})
	var resident float64
	start := time.Now()
	parkMany(count, counter, func() { resident = residentKiB() })
	show("parked", time.Since(start).Seconds(), "s")
	show("parked_memory", (resident-before)/float64(count), "KiB")
}

func skew(divisor int, _ bool) {
	kinds := skewHighest - skewLowest + 1
	elements := make([]int, (skewRepeats/divisor+1)*kinds)
	for i := range elements {
		elements[i] = skewLowest + i%kinds
	}
	state := uint64(42)
	for i := len(elements) - 1; i > 0; i-- {
		state = state*6364136223846793005 + 1442695040888963407
		j := int((state >> 33) % uint64(i+1))
		elements[i], elements[j] = elements[j], elements[i]
	}
	emptyWithPromises(1000)
	start := time.Now()
	var expected, found int64
	for _, n := range elements {
		expected += fib(n)
	}
	alone := time.Since(start).Seconds()
	start = time.Now()
	promises := make([]promise, len(elements))
	for i, n := range elements {
		n := n
		promises[i] = spawnPromise(func() int64 { return fib(n) })
	}
	for _, p := range promises {
		found += <-p
	}
	parallel := time.Since(start).Seconds()
	expect(found, expected, "the sum of the map")
	show("skew", (parallel/(alone/workers)-1)*100, "%")
}

func runPipeline(count int) {
	a := make(chan int64, pipelineCapacity)
	b := make(chan int64, pipelineCapacity)
	c := make(chan int64, pipelineCapacity)
	stage := func(in, out chan int64) {
		for i := 0; i < count; i++ {
			out <- <-in + 1
		}
	}
	go func() {
		for i := 0; i < count; i++ {
			a <- int64(i)
		}
	}()
	go stage(a, b)
	go stage(b, c)
	sink := spawnPromise(func() int64 {
		sum := int64(0)
		for i := 0; i < count; i++ {
			sum += <-c
		}
		return sum
	})
	expect(<-sink, int64(count)*int64(count-1)/2+2*int64(count), "the sum of the messages")
}

func pipeline(divisor int, _ bool) {
	count := messages / divisor
	runPipeline(count / 10)
	start := time.Now()
	runPipeline(count)
	show("pipeline", float64(count)/time.Since(start).Seconds(), "messages/s")
}

func idle(_ int, _ bool) {
	emptyWithPromises(1000)
	before := processorTime()
	time.Sleep(idleTime)
	show("idle", (processorTime()-before)*1e3, "ms")
}

func processorTime() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
}

func residentKiB() float64 {
	var total, resident int64
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &total, &resident)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: cannot read /proc/self/statm")
		os.Exit(1)
	}
	return float64(resident) * float64(os.Getpagesize()) / 1024
}

func expect(found, expected int64, what string) {
	if found != expected {
		fmt.Fprintf(os.Stderr, "bench: %s is %d, expected %d\n", what, found, expected)
		os.Exit(1)
	}
}

func show(figure string, value float64, unit string) {
	fmt.Printf("%s %.6g %s\n", figure, value, unit)
}

func main() {
	runtime.GOMAXPROCS(workers)
	works := map[string]func(int, bool){
		"submit": submit, "spawn": spawn, "fib": forkJoin, "pingpong1": pingPongOneWorker,
		"pingpong2": pingPongTwoWorkers, "parked": parked, "skew": skew, "pipeline": pipeline, "idle": idle,
	}
	divisor := 1
	if len(os.Args) > 2 {
		divisor, _ = strconv.Atoi(os.Args[2])
	}
	if len(os.Args) < 2 || works[os.Args[1]] == nil || divisor < 1 {
		fmt.Fprintln(os.Stderr, "usage: bench WORK [DIVISOR]")
		os.Exit(3)
	}
	works[os.Args[1]](divisor, os.Getenv("BENCH_COUNTER") == "1")
}
