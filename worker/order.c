#include "worker/order.h"

#include <string.h>

#define VARIABLE "TMPDIR="

/* What a message begins with. Behind it: scratch (as "TMPDIR=..."), cwd, cgroup, arguments, variables, each with its NUL. */
struct head {
    uint32_t arguments, variables;
    bool has_cwd, has_cgroup, tell_start;
    int nice;
    struct order_user user;
    struct order_limits limits;
};

static uint32_t add_all(struct buffer *buffer, char *const *words)
{
    uint32_t count = 0;

    for (; words[count]; count++)
        buffer_add(buffer, words[count], strlen(words[count]) + 1);
    return count;
}

int order_encode(struct buffer *buffer, const struct order *order, struct error *err)
{
    struct head head;
    size_t start = buffer->length, bytes;

    memset(&head, 0, sizeof head);
    head.has_cwd = order->cwd != NULL;
    head.has_cgroup = order->cgroup != NULL;
    head.nice = order->nice;
    head.tell_start = order->tell_start;
    head.user = order->user;
    head.limits = order->limits;
    buffer_add(buffer, &head, sizeof head);
    buffer_add_string(buffer, VARIABLE);
    buffer_add(buffer, order->scratch, strlen(order->scratch) + 1);
    if (order->cwd)
        buffer_add(buffer, order->cwd, strlen(order->cwd) + 1);
    if (order->cgroup)
        buffer_add(buffer, order->cgroup, strlen(order->cgroup) + 1);
    head.arguments = add_all(buffer, order->argv);
    head.variables = add_all(buffer, order->environment);
    bytes = buffer->length - start;
    if (bytes > ORDER_BYTES_MAX)
        return error_set(err, ERR_LIMIT, "arguments and environment have %zu bytes, the limit is %d", bytes, ORDER_BYTES_MAX);
    if (head.arguments + head.variables > ORDER_WORDS_MAX)
        return error_set(err, ERR_LIMIT, "arguments and environment have %u words, the limit is %d",
                         head.arguments + head.variables, ORDER_WORDS_MAX);
    memcpy(buffer->data + start, &head, sizeof head);
    return 0;
}

/* The next string of a message, NULL if it has no end. */
static char *take_string(char **at, const char *end)
{
    char *string = *at, *nul = memchr(string, '\0', (size_t)(end - string));

    *at = nul ? nul + 1 : string;
    return nul ? string : NULL;
}

int order_decode(struct order_received *ret_received, char *message, size_t bytes)
{
    char *at = message + sizeof(struct head), *end = message + bytes, *variable, *cwd = NULL, *cgroup = NULL;
    char **words = ret_received->words;
    struct head head;

    if (bytes < sizeof head)
        return -1;
    memcpy(&head, message, sizeof head);
    if (head.arguments < 1 || head.arguments > ORDER_WORDS_MAX || head.variables > ORDER_WORDS_MAX - head.arguments ||
        head.user.group_count > ORDER_GROUPS_MAX)
        return -1;
    variable = take_string(&at, end);
    if (head.has_cwd)
        cwd = take_string(&at, end);
    if (head.has_cgroup)
        cgroup = take_string(&at, end);
    if (!variable || strlen(variable) < strlen(VARIABLE) || (head.has_cwd && !cwd) || (head.has_cgroup && !cgroup))
        return -1;
    for (uint32_t i = 0; i < head.arguments + head.variables; i++)
        if (!(words[i < head.arguments ? i : i + 1] = take_string(&at, end)))
            return -1;
    words[head.arguments] = NULL;
    words[head.arguments + 1 + head.variables] = variable;
    words[head.arguments + 1 + head.variables + 1] = NULL;
    ret_received->order = (struct order){.argv = words,
                                         .environment = words + head.arguments + 1,
                                         .scratch = variable + strlen(VARIABLE),
                                         .cwd = cwd,
                                         .cgroup = cgroup,
                                         .user = head.user,
                                         .limits = head.limits,
                                         .nice = head.nice,
                                         .tell_start = head.tell_start};
    return 0;
}
