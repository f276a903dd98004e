/* life_cycle.c - random operations on the real functions and on a naive model of them, which must agree at each step.
 *
 * Seeds are fixed, so that a build server sees what a developer sees; ROTA_SEED=0 would be as good a seed as any. See world.h for
 * how to replay a failure. */
#include <stdio.h>
#include <string.h>

#include "tests/property/compare.h"
#include "tests/property/operations.h"

#define STEPS         60000 /* of each run, of which there are two: with one lane and with eight */
#define CHECKED_MIN   50000 /* of these; what only moves the clock is not checked each time */
#define COMPARE_STEPS 50

static struct world world;

typedef void operation(struct world *w);

static const struct {
    unsigned weight;
    operation *make;
} operations[] = {
    {18, op_enqueue},      {9, op_enqueue_batch}, {3, op_inbox},      {4, op_cancel},  {4, op_reschedule},
    {4, op_redrive},       {3, op_delete},        {26, op_claim},     {24, op_finish}, {6, op_note},
    {4, op_repeat},        {5, op_open},          {7, op_beat},       {2, op_close},   {5, op_recover},
    {8, op_promote},       {3, op_trim},          {1, op_org_delete}, {25, op_clock},  {5, op_org_set},
    {4, op_estimate},      {3, op_pause},         {2, op_intake},     {1, op_audit},   {1, op_drift_of_indexes},
    {1, op_drift_of_jobs}, {1, op_refused},       {2, op_order},      {3, op_limit},
};

/* Returns the operation it made. */
static operation *make_step(struct world *w)
{
    uint64_t total = 0;

    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        total += operations[i].weight;
    uint64_t drawn = draw(w, total);
    size_t i = 0;
    while (drawn >= operations[i].weight)
        drawn -= operations[i++].weight;

    w->at = &w->places[draw(w, (uint64_t)w->place_count)];
    w->model = &w->at->model;
    w->story[w->step % STORY_LINES][0] = '\0';
    if (w->place_count > 1)
        note(w, "{%u} ", w->at->lane);
    operations[i].make(w);
    return operations[i].make;
}

static void the_functions_do_what_a_naive_model_does(void **state)
{
    struct world *w = &world;
    int64_t checked = 0;

    world_begin(w, *state, 20261120, STEPS);
    compare_begin(w);
    for (; w->step < w->steps; w->step++) {
        operation *made = make_step(w);
        if (w->tell_each)
            print_message("%6lld %s\n", (long long)w->step, w->story[w->step % STORY_LINES]);
        if (made != op_clock || w->step % COMPARE_STEPS == 0) { /* time alone changes nothing */
            compare(w, w->compare_each || w->step % COMPARE_STEPS == 0);
            checked++;
        }
        fixture_sweep(w->f);
    }
    compare_all(w);
    world_end(w);
    print_message("  %lld of %lld steps were checked\n", (long long)checked, (long long)w->steps);
    assert_true(w->steps < STEPS || checked >= CHECKED_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_functions_do_what_a_naive_model_does),
    };
    int failed = RUN_IN_LANES("life cycle", tests);

    world_tell(&world);
    return failed;
}
