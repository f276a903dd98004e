#include "tests/support/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void end_string(struct stream *stream)
{
    stream->words++;
    if (stream->words == 1 || (stream->words == 2 && strcmp(stream->call, "FCALL") == 0))
        snprintf(stream->call, sizeof stream->call, "%.*s", (int)strcspn(stream->text, "\r"), stream->text);
    stream->elements--;
}

static void end_line(struct stream *stream)
{
    int64_t count = atoll(stream->text + 1);

    if (stream->text[0] == '*')
        stream->elements += count > 0 ? count - 1 : -1;
    else if (stream->text[0] == '$' && count >= 0)
        stream->bytes = count + 2;
    else
        stream->elements--;
}

bool stream_follow(struct stream *stream, char byte)
{
    bool in_string = stream->bytes > 0;

    if (stream->elements == 0) /* the next message begins */
        *stream = (struct stream){.elements = 1};
    if (stream->length < sizeof stream->text - 1)
        stream->text[stream->length++] = byte;
    stream->text[stream->length] = '\0';
    if (in_string ? --stream->bytes > 0 : byte != '\n')
        return false;
    if (in_string)
        end_string(stream);
    else
        end_line(stream);
    stream->length = 0;
    return stream->elements == 0;
}

const char *stream_call(const struct stream *stream)
{
    return strcmp(stream->call, "FCALL") == 0 ? "" : stream->call;
}
