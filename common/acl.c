#include "common/acl.h"

#include <stdio.h>
#include <string.h>

#define LANE "rota:{0}"
#define KEY  "rota:{0}:clock" /* stands for every key of a lane */

#define BOTH_SEND .worker_sends = true, .scheduler_sends = true
#define BOTH_CALL .worker_calls = true, .scheduler_calls = true

const struct acl_command acl_commands[] = {
    {{"FCALL", "f", "2", LANE, KEY}, BOTH_SEND},
    {{"BZPOPMIN", "rota:{0}:wake", "1"}, BOTH_SEND},
    {{"DEL", KEY}, BOTH_CALL},
    {{"EXISTS", KEY}, BOTH_CALL},
    {{"EXISTS", "rota:inbox"}, .scheduler_sends = true},
    {{"EXPIRE", KEY, "1"}, .worker_calls = true},
    {{"EXPIRE", "rota:worker:w", "1"}, BOTH_SEND},
    {{"EXPIRE", KEY, "1"}, BOTH_CALL},
    {{"HDEL", KEY, "f"}, BOTH_CALL},
    {{"HGET", KEY, "f"}, BOTH_SEND, BOTH_CALL},
    {{"HGETALL", KEY}, .worker_sends = true, BOTH_CALL},
    {{"HLEN", KEY}, BOTH_CALL},
    {{"HMGET", KEY, "f"}, BOTH_CALL},
    {{"HMGET", "rota:meta", "f"}, BOTH_SEND},
    {{"HRANDFIELD", KEY, "1"}, BOTH_CALL},
    {{"HSCAN", KEY, "0"}, .scheduler_calls = true},
    {{"HSET", KEY, "f", "v"}, BOTH_CALL},
    {{"HSET", "rota:meta", "f", "v"}, .scheduler_sends = true},
    {{"HSET", "rota:worker:w", "f", "v"}, BOTH_SEND},
    {{"HSETNX", "rota:meta", "f", "v"}, .scheduler_sends = true},
    {{"SET", KEY, "v"}, BOTH_CALL},
    {{"SET", "rota:leader", "v"}, .scheduler_sends = true},
    {{"SET", "rota:worker:w:dump", "v"}, .worker_sends = true},
    {{"TIME"}, BOTH_SEND, BOTH_CALL},
    {{"UNLINK", KEY}, .scheduler_calls = true},
    {{"XADD", "rota:inbox", "MAXLEN", "0", "0-1", "f", "v"}, .scheduler_sends = true},
    {{"XADD", "rota:{0}:events", "*", "f", "v"}, BOTH_CALL},
    {{"XADD", "rota:rejected", "*", "f", "v"}, .scheduler_sends = true},
    {{"XADD", KEY, "*", "f", "v"}, .scheduler_sends = true, .scheduler_calls = true},
    {{"XDEL", "rota:inbox", "1-1"}, .scheduler_sends = true},
    {{"XDEL", KEY, "1-1"}, .scheduler_sends = true},
    {{"XREAD", "COUNT", "1", "STREAMS", "rota:inbox", "0"}, .scheduler_sends = true},
    {{"XREAD", "COUNT", "1", "STREAMS", KEY, "0"}, .scheduler_sends = true},
    {{"ZADD", KEY, "1", "m"}, .worker_sends = true, BOTH_CALL},
    {{"ZADD", "rota:workers", "1", "m"}, BOTH_SEND},
    {{"ZCARD", KEY}, BOTH_CALL},
    {{"ZMSCORE", KEY, "m"}, BOTH_CALL},
    {{"ZRANGE", KEY, "0", "1"}, .scheduler_sends = true, BOTH_CALL},
    {{"ZRANGEBYSCORE", KEY, "0", "1"}, BOTH_CALL},
    {{"ZREM", KEY, "m"}, BOTH_CALL},
    {{"ZREMRANGEBYRANK", KEY, "0", "1"}, .worker_calls = true},
    {{"ZREMRANGEBYSCORE", "rota:workers", "0", "1"}, .scheduler_sends = true},
    {{"ZSCAN", KEY, "0"}, .scheduler_sends = true, .scheduler_calls = true},
    {{"ZSCORE", KEY, "m"}, BOTH_CALL},
};
const size_t acl_command_count = sizeof acl_commands / sizeof *acl_commands;

const struct acl_command acl_dangers[] = {
    {.words = {"FLUSHALL"}},
    {.words = {"CONFIG", "SET", "maxmemory", "0"}, .has_parts = true},
    {.words = {"DEBUG", "HELP"}},
    {.words = {"KEYS", "*"}},
    {.words = {"EVAL", "", "0"}},
    {.words = {"SCRIPT", "FLUSH"}, .has_parts = true},
    {.words = {"FUNCTION", "FLUSH"}, .has_parts = true},
};
const size_t acl_danger_count = sizeof acl_dangers / sizeof *acl_dangers;

bool acl_needs(const struct acl_command *command, enum acl_role role)
{
    if (role == ACL_WORKER)
        return command->worker_sends || command->worker_calls;
    return role == ACL_SCHEDULER && (command->scheduler_sends || command->scheduler_calls);
}

/* Appends a name, if it fits. */
static void add_name(char *ret, size_t size, const char *first, const char *second)
{
    size_t length = strlen(ret);
    char name[64];

    snprintf(name, sizeof name, "%s%s%s%s", length > 0 ? ", " : "", first, second ? " " : "", second ? second : "");
    if (length + strlen(name) < size)
        memcpy(ret + length, name, strlen(name) + 1);
}

void acl_note_needed(struct acl_findings *findings, const struct acl_command *command, const char *answer)
{
    if (strcmp(answer, "OK") == 0)
        return;
    if (!findings->missing[0])
        snprintf(findings->reason, sizeof findings->reason, "%s", answer);
    add_name(findings->missing, sizeof findings->missing, command->words[0], NULL);
}

void acl_note_danger(struct acl_findings *findings, const struct acl_command *command, const char *answer)
{
    if (strcmp(answer, "OK") == 0)
        add_name(findings->dangers, sizeof findings->dangers, command->words[0], command->has_parts ? command->words[1] : NULL);
}
