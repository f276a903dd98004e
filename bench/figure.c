#include "bench/figure.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"

struct spread {
    double median, low, high;
};

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double quantile(double *values, size_t count, double share)
{
    size_t at = (size_t)(share * (double)count);

    assert(count > 0);
    qsort(values, count, sizeof *values, compare);
    return values[at < count ? at : count - 1];
}

static struct spread spread_of(const double *values, unsigned count)
{
    double sorted[BENCH_RUNS_MAX];
    struct spread spread;

    memcpy(sorted, values, count * sizeof *values);
    spread.median = quantile(sorted, count, 0.5);
    spread.low = sorted[0];
    spread.high = sorted[count - 1];
    return spread;
}

void figure_add(struct figure *figure, double value)
{
    assert(figure->runs < BENCH_RUNS_MAX);
    figure->values[figure->runs++] = value;
}

void figure_add_ratio(struct figure *figure, double value, double ratio, double cpu_ratio)
{
    figure_add(figure, value);
    figure->ratio[figure->ratios] = ratio;
    figure->cpu_ratio[figure->ratios++] = cpu_ratio;
}

static bool is_reached(const struct figure *figure)
{
    if (figure->target.kind == TARGET_RATIO_MIN)
        return spread_of(figure->ratio, figure->ratios).median >= figure->target.limit;
    if (figure->target.kind == TARGET_VALUE_MIN)
        return spread_of(figure->values, figure->runs).median >= figure->target.limit;
    return spread_of(figure->values, figure->runs).median <= figure->target.limit;
}

static const char *raw_name(const struct figure *figure)
{
    return figure->raw ? figure->raw : "R";
}

static void print_json(const struct figure *figure)
{
    struct spread value = spread_of(figure->values, figure->runs);

    printf("{\"name\":\"%s\",\"unit\":\"%s\",\"median\":%.6g,\"min\":%.6g,\"max\":%.6g,\"runs\":%u", figure->name, figure->unit,
           value.median, value.low, value.high, figure->runs);
    if (figure->ratios) {
        struct spread ratio = spread_of(figure->ratio, figure->ratios), cpu = spread_of(figure->cpu_ratio, figure->ratios);
        printf(",\"ratio_to_%s\":%.4f,\"ratio_min\":%.4f,\"ratio_max\":%.4f", raw_name(figure), ratio.median, ratio.low,
               ratio.high);
        if (cpu.median > 0)
            printf(",\"cpu_ratio_to_%s\":%.4f", raw_name(figure), cpu.median);
    }
    if (figure->target.kind != TARGET_NONE)
        printf(",\"target_%s\":%g,\"reached\":%s",
               figure->target.kind == TARGET_RATIO_MIN   ? "ratio_min"
               : figure->target.kind == TARGET_VALUE_MIN ? "min"
                                                         : "max",
               figure->target.limit, is_reached(figure) ? "true" : "false");
    if (figure->payload_bytes)
        printf(",\"payload_bytes\":%zu", figure->payload_bytes);
    printf(",\"redis\":\"%s\",\"cpu\":\"%s\",\"cores\":%d}\n", machine_redis(), machine_cpu(), machine_cores());
    fflush(stdout);
}

static const char *digits(double value)
{
    return value >= 1000 ? "%10.0f" : value >= 10 ? "%10.1f" : "%10.2f";
}

static void print_number(double value)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(stderr, digits(value), value);
#pragma GCC diagnostic pop
}

static void print_line(const struct figure *figure)
{
    struct spread value = spread_of(figure->values, figure->runs);

    fprintf(stderr, "%-22s", figure->name);
    print_number(value.median);
    fprintf(stderr, " %-8s (", figure->unit);
    print_number(value.low);
    fprintf(stderr, " ..");
    print_number(value.high);
    fprintf(stderr, ")");
    if (figure->ratios) {
        struct spread ratio = spread_of(figure->ratio, figure->ratios), cpu = spread_of(figure->cpu_ratio, figure->ratios);
        fprintf(stderr, "  %.3f %s (%.3f .. %.3f", ratio.median, raw_name(figure), ratio.low, ratio.high);
        if (cpu.median > 0)
            fprintf(stderr, "; by processor time %.3f", cpu.median);
        fprintf(stderr, ")");
    }
    if (figure->target.kind != TARGET_NONE)
        fprintf(stderr, "  target %s %g%s%s: %s", figure->target.kind == TARGET_VALUE_MAX ? "<=" : ">=", figure->target.limit,
                figure->target.kind == TARGET_RATIO_MIN ? " " : "",
                figure->target.kind == TARGET_RATIO_MIN ? raw_name(figure) : "", is_reached(figure) ? "reached" : "MISSED");
    fprintf(stderr, "\n");
}

void figure_print(const struct figure *figure)
{
    print_line(figure);
    print_json(figure);
}
