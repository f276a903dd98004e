/* unit.h - what every unit test includes: cmocka with the headers it wants before it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Runs the tests of array `tests`; the value of main. */
#define UNIT_RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)
