/* numbers.h - figures that a test has measured. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static inline int compare_numbers(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

/* Puts the smallest first. */
static inline void sort_numbers(int64_t *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_numbers);
}
