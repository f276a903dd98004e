/* figure.h - one measured number: its runs, what it should reach, and how it is printed. */
#pragma once

#include <stddef.h>

#include "bench/cases.h"

enum target_kind { TARGET_NONE, TARGET_RATIO_MIN, TARGET_VALUE_MIN, TARGET_VALUE_MAX };

struct target {
    enum target_kind kind;
    double limit;
};

/* Fill in the first fields; figure_add() the rest. */
struct figure {
    const char *name, *unit;
    size_t payload_bytes; /* of each job; 0: there are no jobs of one size in it */
    struct target target;
    unsigned runs, ratios;
    double values[BENCH_RUNS_MAX];
    const char *raw;                  /* name of the raw figure; NULL: R (raw.h) */
    double ratio[BENCH_RUNS_MAX];     /* of a run to the raw figure taken just before it, both in jobs per second */
    double cpu_ratio[BENCH_RUNS_MAX]; /* the same in jobs per second of the server's processor time: other load matters less; 0 if
                                         that says nothing */
};

void figure_add(struct figure *figure, double value);
void figure_add_ratio(struct figure *figure, double value, double ratio, double cpu_ratio);

/* One JSON line to stdout, one for people to stderr. */
void figure_print(const struct figure *figure);

/* The value at `share` (0..1) of `count` values, which are sorted in place. */
double quantile(double *values, size_t count, double share);
