/* bench - measures what docs/PERFORMANCE.md tells. Not a test: a missed target is printed, and the exit status stays 0. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bench/cases.h"

#define RUNS 5

struct bench_case {
    const char *name, *what;
    void (*run)(unsigned runs);
};

static const struct bench_case cases[] = {
    {"enqueue", "jobs/s into 100 organizations, 128 a call", bench_enqueue},
    {"enqueue-single", "the same, one a call", bench_enqueue_single},
    {"life", "jobs/s enqueued, claimed and finished, 32 a call, kept for no time", bench_life},
    {"life-default", "the same, kept as long as by default", bench_life_default},
    {"memory", "bytes of Redis memory per queued job", bench_memory},
    {"claim-50k", "server time of a claim of 16 jobs while 50,000 organizations wait", bench_claim_50k},
    {"claim-depth", "server time of a claim of 8 jobs with 10 and with 1,000,000 in the organization", bench_claim_depth},
    {"pickup", "time from enqueue to the claim of an idle rota-worker", bench_pickup},
    {"drain", "jobs/s of one and of two rota-workers, 64 slots each, built-in noop", bench_drain},
    {"exec", "jobs/s of a rota-worker, 16 slots, that runs /bin/true, beside a bare loop of posix_spawn and wait", bench_exec},
    {"pool", "jobs/s of a rota-worker, 16 slots, with a handler in C that lives on (examples/pool)", bench_pool},
    {"ticks", "ms until the last of 10,000 schedules that are due in the same millisecond has its job", bench_ticks},
    {"ticks-spread", "how late 100,000 schedules are that are due once a minute, spread over it; a minute a run",
     bench_ticks_spread},
    {"every-org",
     "a daily schedule of 100,000 organizations: s until all are armed, bytes of memory for each, what it costs then",
     bench_every_org},
    {"every-org-million", "the same of 1,000,000, once", bench_every_org_million},
};

#define CASES (sizeof cases / sizeof cases[0])

static void usage(FILE *out)
{
    fprintf(
        out,
        "Usage: bench [--runs N] [NAME...]\n\n"
        "Measures on private redis-servers: JSON lines on stdout, the same for people on stderr. All cases, or those named:\n\n");
    for (size_t i = 0; i < CASES; i++)
        fprintf(out, "  %-18s%s\n", cases[i].name, cases[i].what);
    fprintf(out, "\n  --runs N        of each figure, %d..%d (default %d)\n", BENCH_RUNS_MIN, BENCH_RUNS_MAX, RUNS);
}

static const struct bench_case *find_case(const char *name)
{
    for (size_t i = 0; i < CASES; i++)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    return NULL;
}

static unsigned parse_runs(const char *text)
{
    long runs = text ? strtol(text, NULL, 10) : 0;

    return runs >= BENCH_RUNS_MIN && runs <= BENCH_RUNS_MAX ? (unsigned)runs : 0;
}

int main(int argc, char **argv)
{
    unsigned runs = RUNS;
    int first = 1;

    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return usage(stdout), 0;
    if (argc > 1 && strcmp(argv[1], "--runs") == 0) {
        runs = parse_runs(argc > 2 ? argv[2] : NULL);
        first = 3;
    }
    for (int i = first; i < argc && runs; i++)
        if (!find_case(argv[i]))
            runs = 0;
    if (!runs) {
        usage(stderr);
        return EX_USAGE;
    }
    for (size_t i = 0; i < CASES; i++) {
        bool wanted = argc <= first;
        for (int name = first; name < argc; name++)
            wanted = wanted || strcmp(argv[name], cases[i].name) == 0;
        if (wanted)
            cases[i].run(runs);
    }
    return 0;
}
