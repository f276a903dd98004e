/* cases.h - what can be measured. main.c has the table of names; docs/PERFORMANCE.md says what each figure means. */
#pragma once

#define BENCH_ORGS          100
#define BENCH_PAYLOAD_BYTES 100
#define BENCH_RUNS_MIN      3
#define BENCH_RUNS_MAX      50

/* Each measures its figures `runs` times on a server of its own and prints them. */
void bench_enqueue(unsigned runs);
void bench_enqueue_single(unsigned runs);
void bench_life(unsigned runs);
void bench_life_default(unsigned runs);
void bench_memory(unsigned runs);
void bench_claim_50k(unsigned runs);
void bench_claim_depth(unsigned runs);
void bench_pickup(unsigned runs);
void bench_drain(unsigned runs);
void bench_exec(unsigned runs);
void bench_pool(unsigned runs);
void bench_ticks(unsigned runs);
void bench_ticks_spread(unsigned runs);
void bench_every_org(unsigned runs);
void bench_every_org_million(unsigned runs); /* one run */
