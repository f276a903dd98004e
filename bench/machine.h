/* machine.h - what a figure was taken on. */
#pragma once

struct redisContext;

const char *machine_cpu(void);
int machine_cores(void);
const char *machine_redis(void);

/* Notes the version of the server that `redis` is connected to. */
void machine_note_redis(struct redisContext *redis);
