#include "tests/property/sim_events.h"

#include "common/memory.h"

static bool is_before(const struct sim_job *a, const struct sim_job *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void swap(struct sim *s, size_t a, size_t b)
{
    struct sim_job job = s->heap[a];

    s->heap[a] = s->heap[b];
    s->heap[b] = job;
}

void add_event(struct sim *s, struct sim_job job)
{
    if (s->heap_count == s->heap_room) {
        s->heap_room = s->heap_room ? 2 * s->heap_room : 256;
        s->heap = memory_resize(s->heap, s->heap_room * sizeof *s->heap);
    }
    job.sequence = s->sequence++;
    size_t at = s->heap_count++;
    s->heap[at] = job;
    for (; at > 0 && is_before(&s->heap[at], &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(s, at, (at - 1) / 2);
}

struct sim_job next_event(struct sim *s)
{
    struct sim_job first = s->heap[0];

    s->heap[0] = s->heap[--s->heap_count];
    for (size_t at = 0, child; (child = 2 * at + 1) < s->heap_count; at = child) {
        if (child + 1 < s->heap_count && is_before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!is_before(&s->heap[child], &s->heap[at]))
            break;
        swap(s, at, child);
    }
    return first;
}
