/* drive.c - a fuzz target without libFuzzer: each file of its corpus, then changes of these for a second.
 *
 * fuzz_<target> FOLDER [MILLISECONDS [SEED]]. The seed is printed; what a failing run was given last stands in fuzz-<pid>. */
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 512
#define BYTES_MAX 65536
#define RUN_MS    1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct sample {
    uint8_t *data;
    size_t bytes;
};

static struct sample corpus[FILES_MAX];
static size_t corpus_count;
static uint64_t state;
static struct {
    size_t bytes;
    uint8_t data[BYTES_MAX];
} *given; /* to the target, last; shared with the parent */

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t limit)
{
    return limit ? (size_t)(draw() % limit) : 0;
}

/* What the target was given last, in memory that outlives it. */
static void save_given(void)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "fuzz-%d", (int)getpid());
    file = fopen(path, "w");
    if (!file)
        return;
    fwrite(given->data, 1, given->bytes, file);
    fclose(file);
    fprintf(stderr, "the input is in %s\n", path);
}

static void read_corpus(const char *folder)
{
    DIR *files = opendir(folder);
    struct dirent *entry;
    char path[4096];

    while (files && (entry = readdir(files)) && corpus_count < FILES_MAX) {
        struct sample *sample = &corpus[corpus_count];
        FILE *file;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !(file = fopen(path, "r")))
            continue;
        sample->data = malloc(BYTES_MAX);
        sample->bytes = fread(sample->data, 1, BYTES_MAX, file);
        fclose(file);
        corpus_count++;
    }
    if (files)
        closedir(files);
}

/* A copy of its own, so that a byte read beyond the end is seen. */
static void run(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);

    memcpy(copy, data, bytes);
    memcpy(given->data, data, bytes);
    given->bytes = bytes;
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

/* Takes out `cut` bytes at `at`, and puts `bytes` of `data` there. */
static void splice(struct sample *sample, size_t at, size_t cut, const uint8_t *data, size_t bytes)
{
    if (sample->bytes - cut + bytes > BYTES_MAX)
        return;
    memmove(sample->data + at + bytes, sample->data + at + cut, sample->bytes - at - cut);
    memcpy(sample->data + at, data, bytes);
    sample->bytes = sample->bytes - cut + bytes;
}

static void change(struct sample *sample)
{
    static const uint8_t special[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '{', '}', '[', ':', ',', '-', '=', '\n', '@', '/', '*'};
    size_t at = below(sample->bytes + 1), left = sample->bytes - at;
    const struct sample *other = &corpus[below(corpus_count)];
    uint8_t byte = (uint8_t)draw();
    size_t from = below(other->bytes + 1);

    switch (below(6)) {
    case 0: splice(sample, at, left ? 1 : 0, &byte, 1); break;
    case 1: splice(sample, at, left ? 1 : 0, &special[below(sizeof special)], 1); break;
    case 2: splice(sample, at, 0, &special[below(sizeof special)], 1); break;
    case 3: splice(sample, at, below(left + 1), &byte, 0); break;
    case 4: splice(sample, at, 0, other->data + from, below(other->bytes - from + 1)); break;
    case 5: splice(sample, at, below(left + 1), other->data + from, below(other->bytes - from + 1)); break;
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void run_all(int64_t end_ms)
{
    struct sample sample = {.data = malloc(BYTES_MAX)};
    int64_t runs = 0;

    for (size_t i = 0; i < corpus_count; i++)
        run(corpus[i].data, corpus[i].bytes);
    for (; now_ms() < end_ms; runs++) {
        const struct sample *from = &corpus[below(corpus_count)];
        memcpy(sample.data, from->data, from->bytes);
        sample.bytes = from->bytes;
        for (size_t changes = 1 + below(6); changes > 0; changes--)
            change(&sample);
        run(sample.data, sample.bytes);
    }
    printf("%zu files, %" PRId64 " changes of them\n", corpus_count, runs);
    fflush(stdout);
    free(sample.data);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].data);
}

int main(int argc, char **argv)
{
    int64_t end_ms = now_ms() + (argc > 2 ? strtoll(argv[2], NULL, 10) : RUN_MS);
    int status = 1;
    pid_t pid;

    state = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL) * 2654435761U + (uint64_t)getpid();
    printf("seed %" PRIu64 "\n", state);
    fflush(stdout);
    read_corpus(argc > 1 ? argv[1] : ".");
    given = mmap(NULL, sizeof *given, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (corpus_count == 0 || given == MAP_FAILED) {
        fprintf(stderr, "there is no corpus in %s\n", argc > 1 ? argv[1] : ".");
        return 1;
    }
    pid = fork();
    if (pid == 0) {
        run_all(end_ms);
        return 0;
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0)
        save_given();
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].data);
    return status != 0;
}
