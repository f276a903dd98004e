/* A handler that lives on: counts the words of each payload. It takes up to 64 jobs at once. */
#include <jansson.h>
#include <string.h>
#include <unistd.h>

static FILE *out;

static void run_job(json_t *job)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    const char *payload = json_string_value(json_object_get(job, "payload")); /* NULL: no text, or more than 256 KiB */
    int words = 0;

    for (const char *at = payload; at && *(at += strspn(at, " \t\n")); at += strcspn(at, " \t\n"))
        words++;
    fprintf(out, "{\"op\":\"done\",\"id\":\"%s\",\"verdict\":\"%s\",\"result\":{\"words\":%d}}\n", id, payload ? "ok" : "dead",
            words);
}

int main(void)
{
    static char in[2 << 20]; /* more than the longest frame */
    size_t bytes = 0;

    if (!(out = fdopen(3, "w")))
        return 1;
    dprintf(3, "{\"op\":\"hello\",\"contract\":1,\"max_inflight\":64}\n");
    for (ssize_t got; (got = read(3, in + bytes, sizeof in - bytes)) > 0; fflush(out)) { /* one write for all that came */
        char *line = in, *end;
        for (bytes += (size_t)got; (end = memchr(line, '\n', bytes - (size_t)(line - in))); line = end + 1) {
            json_t *frame = json_loadb(line, (size_t)(end - line), 0, NULL);
            if (json_object_get(frame, "type")) /* a job; cancel: there is nothing to stop; drain: the end of stream ends us */
                run_job(frame);
            json_decref(frame);
        }
        memmove(in, line, bytes -= (size_t)(line - in));
    }
    return 0;
}
