/* numbers.h - figures that a test has measured, and numbers that follow from a seed. */
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

/* The next number of a sequence that begins with its seed (splitmix64, by Sebastiano Vigna, public domain). */
static inline uint64_t draw_number(uint64_t *sequence)
{
    uint64_t z = *sequence += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
